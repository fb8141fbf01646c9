// The functions of numerics_functions.h on f64.
// The same ideas with the constants of the wider type, each one sequence of
// IEEE f64 operations over an operation set, so that the interpreter and
// generated code agree bit for bit.
//
// What little reads alike in both (abs, copySign, floor) differs in constants.
// `Ops` is as there with F f64 and I a 64-bit integer; DoubleOps, at the end,
// computes on the host. Errors stand in docs/numerics.md. Series are Taylor's
// where their terms are said by a formula, else fits in the Chebyshev points.
#ifndef ROUTE_NUMERICS_WIDE_H
#define ROUTE_NUMERICS_WIDE_H

#include "route/numerics.h"

namespace route::num::wide {

template <class Ops> typename Ops::F abs(Ops &b, typename Ops::F x) {
  return b.fromBits(b.bitAnd(b.bits(x), b.i(INT64_MAX)));
}

template <class Ops> typename Ops::F neg(Ops &b, typename Ops::F x) {
  return b.fromBits(b.bitXor(b.bits(x), b.i(INT64_MIN)));
}

/// |x| with the sign of `s`.
template <class Ops>
typename Ops::F copySign(Ops &b, typename Ops::F x, typename Ops::F s) {
  return b.fromBits(b.bitOr(b.bitAnd(b.bits(x), b.i(INT64_MAX)),
                            b.bitAnd(b.bits(s), b.i(INT64_MIN))));
}

template <class Ops> typename Ops::F infinity(Ops &b) {
  return b.fromBits(b.i(0x7ff0000000000000));
}

template <class Ops> typename Ops::F notANumber(Ops &b) {
  return b.fromBits(b.i(0x7ff8000000000000));
}

/// To the nearest integer, halves to even; exact.
template <class Ops> typename Ops::F roundEven(Ops &b, typename Ops::F x) {
  const double big = 0x1p52;
  typename Ops::F a = abs(b, x);
  typename Ops::F r = b.sub(b.add(a, b.f(big)), b.f(big));
  return copySign(b, b.select(b.lt(a, b.f(big)), r, a), x);
}

/// The largest integer not above x; exact.
template <class Ops> typename Ops::F floor(Ops &b, typename Ops::F x) {
  typename Ops::F r = roundEven(b, x);
  return b.select(b.lt(x, r), b.sub(r, b.f(1)), r);
}

/// m * s1 * s2, where only the product by s2 rounds.
template <class Ops> struct Scaled {
  typename Ops::F ms, s2;
};

/// m * 2^n, |n| <= 2044.
template <class Ops>
Scaled<Ops> scaleByPower(Ops &b, typename Ops::F m, typename Ops::I n) {
  typename Ops::I h = b.shrS(n, 1);
  typename Ops::I l = b.isub(n, h);
  typename Ops::I one = b.i(0x3ff0000000000000);
  typename Ops::F s1 = b.fromBits(b.iadd(b.shl(h, 52), one));
  typename Ops::F s2 = b.fromBits(b.iadd(b.shl(l, 52), one));
  return {b.mul(m, s1), s2};
}

/// The value, rounded once.
template <class Ops> typename Ops::F product(Ops &b, const Scaled<Ops> &s) {
  return b.mul(s.ms, s.s2);
}

/// Adding this and taking it away rounds |x| < 2^51 to an integer, which then
/// also sits in the low bits of the sum.
inline constexpr double kRoundMagic = 0x1.8p52;
inline constexpr int64_t kRoundMagicBits = 0x4338000000000000;

/// The natural logarithm of 2 in two parts: the first has 42 bits, so that its
/// product with an exponent is exact.
inline constexpr double kLn2 = 0x1.62e42fefa38p-1,
                        kLn2Low = 0x1.ef35793c7673p-45;

/// exp(x + tail) for x <= 710 or NaN and a small tail, |tail| <= 2^-12 |x|.
template <class Ops>
Scaled<Ops> expScaled(Ops &b, typename Ops::F x, typename Ops::F tail,
                      bool hasTail) {
  // Taylor: 1 / k! for k from 13 to 2; |r| < 0.347.
  static const double c[] = {
      0x1.6124613a86d09p-33, 0x1.1eed8eff8d898p-29, 0x1.ae64567f544e4p-26,
      0x1.27e4fb7789f5cp-22, 0x1.71de3a556c734p-19, 0x1.a01a01a01a01ap-16,
      0x1.a01a01a01a01ap-13, 0x1.6c16c16c16c17p-10, 0x1.1111111111111p-7,
      0x1.5555555555555p-5,  0x1.5555555555555p-3,  0x1.0000000000000p-1};
  typename Ops::F y = clampBelow(b, x, -1000);
  typename Ops::F k = b.fma(y, b.f(0x1.71547652b82fep+0), b.f(kRoundMagic));
  typename Ops::F n = b.sub(k, b.f(kRoundMagic));
  typename Ops::F r = b.fma(n, b.f(-kLn2), y);
  r = b.fma(n, b.f(-kLn2Low), r);
  if (hasTail)
    r = b.add(r, tail);
  typename Ops::F t = b.fma(b.mul(r, r), polynomial(b, r, c), r);
  return scaleByPower(b, b.add(t, b.f(1)),
                      b.isub(b.bits(k), b.i(kRoundMagicBits)));
}

/// e^x.
template <class Ops> typename Ops::F exp(Ops &b, typename Ops::F x) {
  return product(b, expScaled(b, clampAbove(b, x, 710), x, false));
}

/// 2^(x + tail), |tail| <= 2^-12.
template <class Ops>
typename Ops::F exp2Tail(Ops &b, typename Ops::F x, typename Ops::F tail,
                         bool hasTail) {
  // Taylor: ln(2)^k / k! for k from 13 to 1; |r| <= 0.5.
  static const double c[] = {
      0x1.816193166d0f9p-40, 0x1.c3bd650fc2986p-36, 0x1.e8cac7351bb25p-32,
      0x1.e4cf5158b8ecap-28, 0x1.b5253d395e7c4p-24, 0x1.62c0223a5c824p-20,
      0x1.ffcbfc588b0c7p-17, 0x1.430912f86c787p-13, 0x1.5d87fe78a6731p-10,
      0x1.3b2ab6fba4e77p-7,  0x1.c6b08d704a0c0p-5,  0x1.ebfbdff82c58fp-3,
      0x1.62e42fefa39efp-1};
  typename Ops::F y = clampBelow(b, clampAbove(b, x, 1025), -1100);
  typename Ops::F k = b.add(y, b.f(kRoundMagic));
  typename Ops::F n = b.sub(k, b.f(kRoundMagic));
  typename Ops::F r = b.sub(y, n);
  if (hasTail)
    r = b.add(r, tail);
  typename Ops::F m = b.fma(r, polynomial(b, r, c), b.f(1));
  return product(b,
                 scaleByPower(b, m, b.isub(b.bits(k), b.i(kRoundMagicBits))));
}

/// 2^x.
template <class Ops> typename Ops::F exp2(Ops &b, typename Ops::F x) {
  return exp2Tail(b, x, x, false);
}

/// x = 2^e * (1 + f) with 1 + f in [sqrt 1/2, sqrt 2), for finite x > 0.
template <class Ops> struct Decomposed {
  typename Ops::F e, f;
};

template <class Ops> Decomposed<Ops> decompose(Ops &b, typename Ops::F x) {
  typename Ops::M small = b.lt(x, b.f(0x1p-1022));
  typename Ops::F y = b.select(small, b.mul(x, b.f(0x1p52)), x);
  typename Ops::F bias = b.select(small, b.f(-52), b.f(0));
  // The exponent by the bits of sqrt 1/2, and as a float by the magic number.
  typename Ops::I e = b.shrS(b.isub(b.bits(y), b.i(0x3fe6a09e667f3bcd)), 52);
  typename Ops::F m = b.fromBits(b.isub(b.bits(y), b.shl(e, 52)));
  typename Ops::F ef =
      b.sub(b.fromBits(b.iadd(e, b.i(kRoundMagicBits))), b.f(kRoundMagic));
  return {b.add(ef, bias), b.sub(m, b.f(1))};
}

/// log(1 + f) = f + tail for 1 + f in [sqrt 1/2, sqrt 2): the tail. With
/// s = f / (2 + f), log(1 + f) = 2 (s + s^3 / 3 + s^5 / 5 + ...).
template <class Ops> typename Ops::F logTail(Ops &b, typename Ops::F f) {
  // 2 / (2k + 1) for k from 11 to 1.
  static const double c[] = {
      0x1.642c8590b2164p-4, 0x1.8618618618618p-4, 0x1.af286bca1af28p-4,
      0x1.e1e1e1e1e1e1ep-4, 0x1.1111111111111p-3, 0x1.3b13b13b13b14p-3,
      0x1.745d1745d1746p-3, 0x1.c71c71c71c71cp-3, 0x1.2492492492492p-2,
      0x1.999999999999ap-2, 0x1.5555555555555p-1};
  typename Ops::F s = b.div(f, b.add(f, b.f(2)));
  typename Ops::F z = b.mul(s, s);
  typename Ops::F half = b.mul(b.mul(f, f), b.f(0.5));
  typename Ops::F rest = b.fma(z, polynomial(b, z, c), half);
  return b.fma(s, rest, neg(b, half));
}

/// Puts the logarithm's special values over `r`: NaN below zero, -inf at zero,
/// +inf and NaN through.
template <class Ops>
typename Ops::F logSpecial(Ops &b, typename Ops::F x, typename Ops::F r) {
  r = b.select(b.lt(x, infinity(b)), r, b.add(x, x));
  r = b.select(b.eq(x, b.f(0)), neg(b, infinity(b)), r);
  return b.select(b.lt(x, b.f(0)), notANumber(b), r);
}

/// The natural logarithm.
template <class Ops> typename Ops::F log(Ops &b, typename Ops::F x) {
  Decomposed<Ops> d = decompose(b, x);
  typename Ops::F t = b.fma(d.e, b.f(kLn2Low), logTail(b, d.f));
  return logSpecial(b, x, b.fma(d.e, b.f(kLn2), b.add(d.f, t)));
}

/// The logarithm to base 2.
template <class Ops> typename Ops::F log2(Ops &b, typename Ops::F x) {
  const double hi = 0x1.71547652b82fep+0, lo = 0x1.777d0ffda0d24p-56;
  Decomposed<Ops> d = decompose(b, x);
  typename Ops::F t = logTail(b, d.f);
  t = b.fma(d.f, b.f(lo), b.mul(t, b.f(hi)));
  return logSpecial(b, x, b.add(d.e, b.fma(d.f, b.f(hi), t)));
}

/// 1 / (1 + e^-x), from e^-|x| so that small results keep their digits.
template <class Ops> typename Ops::F sigmoid(Ops &b, typename Ops::F x) {
  typename Ops::F e = product(b, expScaled(b, neg(b, abs(b, x)), x, false));
  typename Ops::F n = b.select(b.lt(x, b.f(0)), e, b.f(1));
  return b.div(n, b.add(e, b.f(1)));
}

/// x * sigmoid(v + tail) where v has x's sign; -0 for x towards -inf.
template <class Ops>
typename Ops::F gated(Ops &b, typename Ops::F x, typename Ops::F v,
                      typename Ops::F tail, bool hasTail) {
  typename Ops::M below = b.lt(x, b.f(0));
  if (hasTail)
    tail = b.select(below, tail, neg(b, tail));
  Scaled<Ops> s = expScaled(b, neg(b, abs(b, v)), tail, hasTail);
  typename Ops::F d = b.add(product(b, s), b.f(1));
  typename Ops::F n = b.mul(x, b.select(below, s.ms, b.f(1)));
  return b.mul(b.div(n, d), b.select(below, s.s2, b.f(1)));
}

/// x * sigmoid(x).
template <class Ops> typename Ops::F silu(Ops &b, typename Ops::F x) {
  typename Ops::F y = clampBelow(b, x, -1000);
  return gated(b, y, y, y, false);
}

/// gelu by tanh, as x * sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) with the
/// argument in two parts.
template <class Ops> typename Ops::F geluTanh(Ops &b, typename Ops::F x) {
  const double c1 = 0x1.9884533d43651p+0, c1lo = -0x1.cbc0d30ebfd15p-54;
  const double c3 = 0x1.2444f2a4d8b4bp-4, c3lo = -0x1.6c843a29d1c70p-61;
  typename Ops::F low = clampBelow(b, x, -24);
  typename Ops::F y = clampAbove(b, low, 24);
  typename Ops::F q = b.mul(y, y);
  typename Ops::F qlo = b.fma(y, y, neg(b, q));
  typename Ops::F a = b.mul(q, b.f(c3));
  typename Ops::F alo = b.fma(q, b.f(c3), neg(b, a));
  alo = b.fma(qlo, b.f(c3), b.fma(q, b.f(c3lo), alo));
  typename Ops::F w = b.add(a, b.f(c1));
  typename Ops::F ww = b.sub(w, a);
  typename Ops::F wlo = b.add(b.sub(a, b.sub(w, ww)), b.sub(b.f(c1), ww));
  wlo = b.add(b.add(wlo, b.f(c1lo)), alo);
  typename Ops::F v = b.mul(y, w);
  typename Ops::F vlo = b.fma(y, wlo, b.fma(y, w, neg(b, v)));
  return gated(b, low, v, vlo, true);
}

/// The upper tail of the normal distribution, Q(a) for 0 <= a or NaN, as
/// e^(-a^2/2) R((a - 3) / (a + 3)) / (1 + 2a).
template <class Ops> Scaled<Ops> upperTail(Ops &b, typename Ops::F x) {
  static const double c[] = {
      -0x1.a5b50e2be3173p-38, 0x1.9581950eb0955p-31,  0x1.9a8be2265f7b0p-29,
      0x1.488764b3bcb38p-33,  -0x1.275b5b203aa47p-26, -0x1.d218e7e1e9553p-26,
      0x1.970fe91badaccp-26,  0x1.141e888a0ab1dp-23,  0x1.19af69c08c2c5p-23,
      -0x1.b6abea5bdf789p-23, -0x1.b1b99715e0d1dp-21, -0x1.64a1c6d0b7b90p-21,
      0x1.fbc5b0fefa164p-20,  0x1.7b7d96fdc0ca6p-18,  0x1.6059a677053a9p-20,
      -0x1.660a9eb3a666bp-16, -0x1.2710862ffa38dp-15, 0x1.a54c141ece206p-15,
      0x1.cea702858e431p-13,  -0x1.1a939c9bb61fcp-15, -0x1.32ef32f69383fp-10,
      -0x1.7d7a9214f9a4ep-12, 0x1.cb5dcdd0c8309p-8,   -0x1.325b96bbe49e8p-11,
      -0x1.a6a561f6f3a00p-5,  0x1.17a2eea67be05p-3,   -0x1.3fabc0c59040ep-3,
      0x1.b56c55d22c09bp-7,   0x1.b381889ebac81p-1};
  typename Ops::F a = clampAbove(b, x, 39.5);
  typename Ops::F w = b.div(b.sub(a, b.f(3)), b.add(a, b.f(3)));
  typename Ops::F r = b.div(polynomial(b, w, c), b.fma(a, b.f(2), b.f(1)));
  typename Ops::F h = b.mul(a, a);
  typename Ops::F hlo = b.fma(a, a, neg(b, h));
  Scaled<Ops> e =
      expScaled(b, b.mul(h, b.f(-0.5)), b.mul(hlo, b.f(-0.5)), true);
  return {b.mul(r, e.ms), e.s2};
}

/// x * Phi(x): the erf form of gelu.
template <class Ops> typename Ops::F geluErf(Ops &b, typename Ops::F x) {
  typename Ops::F low = clampBelow(b, x, -39.5);
  Scaled<Ops> q = upperTail(b, abs(b, low));
  typename Ops::F below = b.mul(b.mul(low, q.ms), q.s2);
  typename Ops::F above = b.mul(low, b.sub(b.f(1), product(b, q)));
  return b.select(b.lt(low, b.f(0)), below, above);
}

/// log(1 + e^x): x itself from 40 on, where the two round alike.
template <class Ops> typename Ops::F softplus(Ops &b, typename Ops::F x) {
  typename Ops::F u = product(b, expScaled(b, neg(b, abs(b, x)), x, false));
  // 1 + u = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2).
  typename Ops::M low = b.lt(u, b.f(0x1.a827999fcef32p-2));
  typename Ops::F f = b.select(low, u, b.mul(b.sub(u, b.f(1)), b.f(0.5)));
  typename Ops::F hi = b.select(low, b.f(0), b.f(kLn2));
  typename Ops::F lo = b.select(low, b.f(0), b.f(kLn2Low));
  typename Ops::F l = b.add(hi, b.add(f, b.add(logTail(b, f), lo)));
  typename Ops::F r = b.add(b.select(b.lt(b.f(0), x), x, b.f(0)), l);
  return b.select(b.lt(b.f(40), x), x, r);
}

/// The hyperbolic tangent.
template <class Ops> typename Ops::F tanh(Ops &b, typename Ops::F x) {
  static const double c[] = {
      0x1.c73fe7904d094p-18,  -0x1.0abe00d842cb4p-15, 0x1.866e0bb17e237p-14,
      -0x1.f2c9c7d8a7dabp-13, 0x1.3531055eb80e9p-11,  -0x1.7da068b7ca483p-10,
      0x1.d6d3aa4dbea47p-9,   -0x1.226e34bf95349p-7,  0x1.664f487fbac94p-6,
      -0x1.ba1ba1ba13feep-5,  0x1.11111111110d5p-3,   -0x1.5555555555555p-2};
  typename Ops::F a = abs(b, x);
  typename Ops::F z = b.mul(a, a);
  typename Ops::F small = b.fma(b.mul(z, a), polynomial(b, z, c), a);
  typename Ops::F e = exp(b, b.add(a, a));
  typename Ops::F large = b.sub(b.f(1), b.div(b.f(2), b.add(e, b.f(1))));
  return copySign(b, b.select(b.lt(a, b.f(0.6)), small, large), x);
}

/// The error function.
template <class Ops> typename Ops::F erf(Ops &b, typename Ops::F x) {
  static const double s[] = {
      0x1.3c01fd3a74542p-42,  -0x1.b40e7abf9f000p-38, 0x1.9a0fcb5e22c5bp-34,
      -0x1.517ce02f1265fp-30, 0x1.fcbb312b48443p-27,  -0x1.5f73c3bf14b91p-23,
      0x1.b9e6c38e5cf3dp-20,  -0x1.f4d25bf9af03ap-17, 0x1.f9a326f7ac5b1p-14,
      -0x1.c02db40035f1ep-11, 0x1.565bcd0e6a2eep-8,   -0x1.b82ce31288b47p-6,
      0x1.ce2f21a042be2p-4,   -0x1.812746b0379e7p-2,  0x1.06eba8214db69p-3};
  typename Ops::F a = abs(b, x);
  typename Ops::F small = b.fma(polynomial(b, b.mul(a, a), s), a, a);
  typename Ops::F q =
      product(b, upperTail(b, b.mul(a, b.f(0x1.6a09e667f3bcdp+0))));
  typename Ops::F large = b.fma(q, b.f(-2), b.f(1));
  return copySign(b, b.select(b.lt(a, b.f(1)), small, large), x);
}

/// 1 / sqrt(x), as those two operations.
template <class Ops> typename Ops::F rsqrt(Ops &b, typename Ops::F x) {
  return b.div(b.f(1), b.sqrt(x));
}

/// x^y with C's special values (pow(x, 0) = pow(1, y) = 1, NaN for a negative
/// x and a y that is no integer).
template <class Ops>
typename Ops::F pow(Ops &b, typename Ops::F x, typename Ops::F y) {
  // log(m) = 2s + s^3 (2/3 + s^2 Q(s^2)), s = f / (2 + f), in two parts; of Q
  // 2 / (2k + 1) for k from 12 to 2.
  static const double c[] = {
      0x1.47ae147ae147bp-4, 0x1.642c8590b2164p-4, 0x1.8618618618618p-4,
      0x1.af286bca1af28p-4, 0x1.e1e1e1e1e1e1ep-4, 0x1.1111111111111p-3,
      0x1.3b13b13b13b14p-3, 0x1.745d1745d1746p-3, 0x1.c71c71c71c71cp-3,
      0x1.2492492492492p-2, 0x1.999999999999ap-2};
  const double log2e = 0x1.71547652b82fep+0;
  const double k3 = 0x1.ec709dc3a03fdp-1, k3lo = 0x1.d27f05548af0cp-55;
  const double k = 0x1.71547652b82fep+1, klo = 0x1.777d0ffda0d24p-55;
  typename Ops::F zero = b.f(0), one = b.f(1), inf = infinity(b);
  typename Ops::F a = abs(b, x);
  Decomposed<Ops> d = decompose(b, a);
  typename Ops::F den = b.add(d.f, b.f(2));
  typename Ops::F denLo = b.sub(d.f, b.sub(den, b.f(2)));
  typename Ops::F s = b.div(d.f, den);
  typename Ops::F rest = b.fma(neg(b, s), den, d.f);
  rest = b.fma(neg(b, s), denLo, rest);
  typename Ops::F slo = b.div(rest, den);
  typename Ops::F th = b.mul(s, b.f(k));
  typename Ops::F tl = b.fma(s, b.f(k), neg(b, th));
  tl = b.fma(s, b.f(klo), b.fma(slo, b.f(k), tl));
  // The cubic term carries a second part as well.
  typename Ops::F s2 = b.mul(s, s);
  typename Ops::F s2lo = b.fma(b.add(s, s), slo, b.fma(s, s, neg(b, s2)));
  typename Ops::F s3 = b.mul(s2, s);
  typename Ops::F s3lo =
      b.fma(s2, slo, b.fma(s2lo, s, b.fma(s2, s, neg(b, s3))));
  typename Ops::F ch = b.mul(s3, b.f(k3));
  typename Ops::F cl = b.fma(s3, b.f(k3), neg(b, ch));
  cl = b.fma(s3, b.f(k3lo), b.fma(s3lo, b.f(k3), cl));
  typename Ops::F p = b.mul(b.mul(s3, s2), polynomial(b, s2, c));
  cl = b.fma(p, b.f(log2e), cl);
  typename Ops::F t = b.add(th, ch);
  tl = b.add(b.add(b.sub(ch, b.sub(t, th)), tl), cl);
  typename Ops::F h = b.add(d.e, t);
  typename Ops::F l = b.add(b.sub(t, b.sub(h, d.e)), tl);
  typename Ops::F lh = b.add(h, l);
  typename Ops::F ll = b.sub(l, b.sub(lh, h));
  // Zero and infinity: log2 is -inf, +inf with no second part.
  typename Ops::M edge = b.logicOr(b.eq(a, zero), b.eq(a, inf));
  lh = b.select(edge, b.select(b.eq(a, zero), neg(b, inf), inf), lh);
  ll = b.select(edge, zero, ll);
  lh = b.select(b.eq(x, x), lh, x); // NaN through
  typename Ops::F ph = b.mul(y, lh);
  typename Ops::F pl = b.fma(y, ll, b.fma(y, lh, neg(b, ph)));
  pl = b.select(b.lt(abs(b, ph), b.f(2000)), pl, zero);
  typename Ops::F r = exp2Tail(b, ph, pl, true);
  r = b.select(b.eq(a, one), b.select(b.eq(y, y), one, y), r);
  // The sign: odd integers keep it; a fraction of a negative number is NaN.
  typename Ops::M whole = b.eq(floor(b, y), y);
  typename Ops::F half = b.mul(y, b.f(0.5));
  typename Ops::M even = b.eq(floor(b, half), half);
  typename Ops::F odd = b.select(b.logicAnd(whole, b.logicNot(even)), x, one);
  r = copySign(b, r, b.select(b.eq(r, r), odd, r));
  typename Ops::M bad = b.logicAnd(b.logicAnd(b.lt(x, zero), b.logicNot(whole)),
                                   b.logicAnd(b.lt(a, inf), b.eq(y, y)));
  r = b.select(bad, notANumber(b), r);
  return b.select(b.logicOr(b.eq(y, zero), b.eq(x, one)), one, r);
}

/// The operation set on the host.
using DoubleOps = host::HostOps<double, int64_t>;

} // namespace route::num::wide

#endif // ROUTE_NUMERICS_WIDE_H
