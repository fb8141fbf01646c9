// The functions of the language, each a sequence of IEEE f32 operations.
// Each is written once over an operation set, so that the interpreter, the
// constant folder and generated code agree bit for bit.
//
// `Ops` supplies types F (f32), I (i32) and M (truth) and the operations named
// below; route::num::ScalarOps (numerics.h) computes them on the host, the pass
// route-expand-math emits them as IR, on scalars and on vectors alike. Every
// operation rounds once, to nearest even, with denormals kept; comparisons are
// ordered. NaN payloads and signs are unspecified.
//
// Errors are in units in the last place of the f32 result against the exact
// value, over all 2^32 inputs (docs/numerics.md holds the measurements).
// Polynomials are minimax fits made for these intervals.
#ifndef ROUTE_NUMERICS_FUNCTIONS_H
#define ROUTE_NUMERICS_FUNCTIONS_H

#include <cstdint>

namespace route::num {

/// |x| with the sign of `s`.
template <class Ops>
typename Ops::F copySign(Ops &b, typename Ops::F x, typename Ops::F s) {
  return b.fromBits(b.bitOr(b.bitAnd(b.bits(x), b.i(0x7fffffff)),
                            b.bitAnd(b.bits(s), b.i(INT32_MIN))));
}

template <class Ops> typename Ops::F abs(Ops &b, typename Ops::F x) {
  return b.fromBits(b.bitAnd(b.bits(x), b.i(0x7fffffff)));
}

template <class Ops> typename Ops::F neg(Ops &b, typename Ops::F x) {
  return b.fromBits(b.bitXor(b.bits(x), b.i(INT32_MIN)));
}

/// Horner's scheme in fused steps, coefficients from the highest degree down.
template <class Ops, class Number, unsigned N>
typename Ops::F polynomial(Ops &b, typename Ops::F x, const Number (&c)[N]) {
  typename Ops::F p = b.f(c[0]);
  for (unsigned i = 1; i < N; ++i)
    p = b.fma(p, x, b.f(c[i]));
  return p;
}

/// x if x < hi or x is NaN, else hi.
template <class Ops, class Number>
typename Ops::F clampAbove(Ops &b, typename Ops::F x, Number hi) {
  return b.select(b.lt(b.f(hi), x), b.f(hi), x);
}

/// x if x > lo or x is NaN, else lo.
template <class Ops, class Number>
typename Ops::F clampBelow(Ops &b, typename Ops::F x, Number lo) {
  return b.select(b.lt(x, b.f(lo)), b.f(lo), x);
}

/// To the nearest integer, halves to even; exact.
template <class Ops> typename Ops::F roundEven(Ops &b, typename Ops::F x) {
  const float big = 0x1p23f;
  typename Ops::F a = abs(b, x);
  typename Ops::F r = b.sub(b.add(a, b.f(big)), b.f(big));
  return copySign(b, b.select(b.lt(a, b.f(big)), r, a), x);
}

/// The largest integer not above x; exact.
template <class Ops> typename Ops::F floor(Ops &b, typename Ops::F x) {
  typename Ops::F r = roundEven(b, x);
  return b.select(b.lt(x, r), b.sub(r, b.f(1.0f)), r);
}

/// The smallest integer not below x; exact, and -0 for -1 < x < 0.
template <class Ops> typename Ops::F ceil(Ops &b, typename Ops::F x) {
  typename Ops::F r = roundEven(b, x);
  return copySign(b, b.select(b.lt(r, x), b.add(r, b.f(1.0f)), r), x);
}

/// A value in three factors: m * s1 * s2, with m * s1 exact and the product by
/// s2 the only rounding, so that callers may scale before it (denormals).
template <class Ops> struct Scaled {
  typename Ops::F ms; // m * s1
  typename Ops::F s2;
  typename Ops::F m, n; // the value as m * 2^n, n an integer in floating point
};

/// m * 2^n, -252 <= n <= 254, n given as an integer and in floating point.
template <class Ops>
Scaled<Ops> scaleByPower(Ops &b, typename Ops::F m, typename Ops::I n,
                         typename Ops::F nf) {
  typename Ops::I h = b.shrS(n, 1);
  typename Ops::I l = b.isub(n, h);
  typename Ops::I one = b.i(0x3f800000);
  typename Ops::F s1 = b.fromBits(b.iadd(b.shl(h, 23), one));
  typename Ops::F s2 = b.fromBits(b.iadd(b.shl(l, 23), one));
  return {b.mul(m, s1), s2, m, nf};
}

/// The value, rounded once. Operation sets may know one operation for it.
template <class Ops> typename Ops::F product(Ops &b, const Scaled<Ops> &s) {
  return b.scaled(s.ms, s.s2, s.m, s.n);
}

/// Adding this and taking it away rounds |x| < 2^22 to an integer, which then
/// also sits in the low bits of the sum.
inline constexpr float kRoundMagic = 0x1.8p23f;
inline constexpr int32_t kRoundMagicBits = 0x4b400000;

/// exp(x + tail) for x <= 89.5 or NaN and a small tail, |tail| <= 2^-12 |x|.
template <class Ops>
Scaled<Ops> expScaled(Ops &b, typename Ops::F x, typename Ops::F tail,
                      bool hasTail) {
  static const float c[] = {0x1.6db428p-10f, 0x1.123b72p-7f, 0x1.55545ep-5f,
                            0x1.55548ep-3f, 0x1p-1f};
  typename Ops::F y = clampBelow(b, x, -126.0f);
  typename Ops::F k = b.fma(y, b.f(0x1.715476p+0f), b.f(kRoundMagic));
  typename Ops::F n = b.sub(k, b.f(kRoundMagic));
  // The high part of ln 2 has 16 bits: its product with n is exact.
  typename Ops::F r = b.fma(n, b.f(-0x1.62e4p-1f), y);
  r = b.fma(n, b.f(-0x1.7f7d1cp-20f), r);
  if (hasTail)
    r = b.add(r, tail);
  typename Ops::F t = b.fma(b.mul(r, r), polynomial(b, r, c), r);
  typename Ops::I ni = b.isub(b.bits(k), b.i(kRoundMagicBits));
  return scaleByPower(b, b.add(t, b.f(1.0f)), ni, n);
}

/// e^x.
template <class Ops> typename Ops::F exp(Ops &b, typename Ops::F x) {
  Scaled<Ops> e = expScaled(b, clampAbove(b, x, 89.0f), x, false);
  return product(b, e);
}

/// 2^(x + tail), |tail| <= 2^-12.
template <class Ops>
typename Ops::F exp2Tail(Ops &b, typename Ops::F x, typename Ops::F tail,
                         bool hasTail) {
  static const float c[] = {0x1.00f15ep-16f, 0x1.445e68p-13f, 0x1.5d8724p-10f,
                            0x1.3b29f2p-7f,  0x1.c6b08ep-5f,  0x1.ebfbep-3f,
                            0x1.62e43p-1f};
  typename Ops::F y = clampBelow(b, clampAbove(b, x, 129.0f), -151.0f);
  typename Ops::F k = b.add(y, b.f(kRoundMagic));
  typename Ops::F n = b.sub(k, b.f(kRoundMagic));
  typename Ops::F r = b.sub(y, n);
  if (hasTail)
    r = b.add(r, tail);
  typename Ops::F m = b.fma(r, polynomial(b, r, c), b.f(1.0f));
  Scaled<Ops> e =
      scaleByPower(b, m, b.isub(b.bits(k), b.i(kRoundMagicBits)), n);
  return product(b, e);
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
  typename Ops::M small = b.lt(x, b.f(0x1p-126f));
  typename Ops::F y = b.select(small, b.mul(x, b.f(0x1p23f)), x);
  typename Ops::F bias = b.select(small, b.f(-23.0f), b.f(0.0f));
  typename Ops::I e = b.shrS(b.isub(b.bits(y), b.i(0x3f3504f3)), 23);
  typename Ops::F m = b.fromBits(b.isub(b.bits(y), b.shl(e, 23)));
  return {b.add(b.toFloat(e), bias), b.sub(m, b.f(1.0f))};
}

/// log(1 + f) = f + tail for 1 + f in [sqrt 1/2, sqrt 2): the tail.
template <class Ops> typename Ops::F logTail(Ops &b, typename Ops::F f) {
  static const float c[] = {0x1.1b4584p-4f,  -0x1.e2f714p-4f, 0x1.e65666p-4f,
                            -0x1.fb416cp-4f, 0x1.233248p-3f,  -0x1.5562ecp-3f,
                            0x1.99a54cp-3f,  -0x1.ffffeep-3f, 0x1.555546p-2f};
  typename Ops::F f2 = b.mul(f, f);
  typename Ops::F p = b.mul(b.mul(f2, f), polynomial(b, f, c));
  return b.fma(f2, b.f(-0.5f), p);
}

/// Puts the logarithm's special values over `r`: NaN below zero, -inf at zero,
/// +inf and NaN through.
template <class Ops>
typename Ops::F logSpecial(Ops &b, typename Ops::F x, typename Ops::F r) {
  typename Ops::F inf = b.fromBits(b.i(0x7f800000));
  // x + x keeps inf and NaN; x - x over x - x is NaN for x < 0.
  r = b.select(b.lt(x, inf), r, b.add(x, x));
  r = b.select(b.eq(x, b.f(0.0f)), neg(b, inf), r);
  return b.select(b.lt(x, b.f(0.0f)), b.fromBits(b.i(0x7fc00000)), r);
}

/// The natural logarithm.
template <class Ops> typename Ops::F log(Ops &b, typename Ops::F x) {
  Decomposed<Ops> d = decompose(b, x);
  typename Ops::F t = b.fma(d.e, b.f(0x1.7f7d1cp-20f), logTail(b, d.f));
  typename Ops::F r = b.fma(d.e, b.f(0x1.62e4p-1f), b.add(d.f, t));
  return logSpecial(b, x, r);
}

/// The logarithm to base 2.
template <class Ops> typename Ops::F log2(Ops &b, typename Ops::F x) {
  const float hi = 0x1.715476p+0f, lo = 0x1.4ae0cp-26f;
  Decomposed<Ops> d = decompose(b, x);
  typename Ops::F t = logTail(b, d.f);
  t = b.fma(d.f, b.f(lo), b.mul(t, b.f(hi)));
  typename Ops::F r = b.add(d.e, b.fma(d.f, b.f(hi), t));
  return logSpecial(b, x, r);
}

/// 1 / (1 + e^-x).
template <class Ops> typename Ops::F sigmoid(Ops &b, typename Ops::F x) {
  Scaled<Ops> s = expScaled(b, neg(b, abs(b, x)), x, false);
  typename Ops::F e = product(b, s);
  typename Ops::F n = b.select(b.lt(x, b.f(0.0f)), e, b.f(1.0f));
  return b.div(n, b.add(e, b.f(1.0f)));
}

/// x * sigmoid(v + tail) where v has x's sign; -0 for x towards -inf.
template <class Ops>
typename Ops::F gated(Ops &b, typename Ops::F x, typename Ops::F v,
                      typename Ops::F tail, bool hasTail) {
  typename Ops::M below = b.lt(x, b.f(0.0f));
  if (hasTail)
    tail = b.select(below, tail, neg(b, tail));
  Scaled<Ops> s = expScaled(b, neg(b, abs(b, v)), tail, hasTail);
  typename Ops::F d = b.add(product(b, s), b.f(1.0f));
  typename Ops::F one = b.f(1.0f);
  typename Ops::F n = b.mul(x, b.select(below, s.ms, one));
  return b.mul(b.div(n, d), b.select(below, s.s2, one));
}

/// x * sigmoid(x).
template <class Ops> typename Ops::F silu(Ops &b, typename Ops::F x) {
  typename Ops::F y = clampBelow(b, x, -120.0f);
  return gated(b, y, y, y, false);
}

/// x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), by way of the equal
/// x * sigmoid(2 sqrt(2/pi) * (...)) with the argument in two parts.
template <class Ops> typename Ops::F geluTanh(Ops &b, typename Ops::F x) {
  const float c1 = 0x1.988454p+0f, c1lo = -0x1.857936p-25f;
  const float c3 = 0x1.2444f2p-4f, c3lo = 0x1.49b16ap-29f;
  typename Ops::F low = clampBelow(b, x, -15.0f);
  typename Ops::F y = clampAbove(b, low, 15.0f);
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

/// x * Phi(x) with Phi the normal distribution: the erf form of gelu.
template <class Ops> typename Ops::F geluErf(Ops &b, typename Ops::F x) {
  // The upper tail Q(a) = e^(-a^2/2) R(v) / (1 + 2a), v = a / (a + 3).
  static const float c[] = {0x1.975cdp-4f,   -0x1.73cf4p-2f, 0x1.b0498cp-2f,
                            -0x1.4a27c2p-3f, 0x1.903df2p-3f, -0x1.ae305p-3f,
                            -0x1.e0767ap-2f, 0x1.087888p-2f, 0x1.d9cb36p+0f,
                            -0x1.905b4ap+1f, 0x1.cd9ccp+0f};
  typename Ops::F low = clampBelow(b, x, -15.0f);
  typename Ops::F a = clampAbove(b, abs(b, low), 15.0f);
  typename Ops::F v = b.div(a, b.add(a, b.f(3.0f)));
  typename Ops::F rv = b.fma(v, polynomial(b, v, c), b.f(0.5f));
  typename Ops::F r = b.div(rv, b.fma(a, b.f(2.0f), b.f(1.0f)));
  typename Ops::F h = b.mul(a, a);
  typename Ops::F hlo = b.fma(a, a, neg(b, h));
  Scaled<Ops> e =
      expScaled(b, b.mul(h, b.f(-0.5f)), b.mul(hlo, b.f(-0.5f)), true);
  typename Ops::F q = b.mul(r, e.ms);
  typename Ops::F below = b.mul(b.mul(low, q), e.s2);
  typename Ops::F above = b.mul(low, b.sub(b.f(1.0f), b.mul(q, e.s2)));
  return b.select(b.lt(low, b.f(0.0f)), below, above);
}

/// log(1 + e^x): x itself from 20 on, where the two round alike.
template <class Ops> typename Ops::F softplus(Ops &b, typename Ops::F x) {
  Scaled<Ops> s = expScaled(b, neg(b, abs(b, x)), x, false);
  typename Ops::F u = product(b, s); // 0 < u <= 1
  // 1 + u = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2).
  typename Ops::M low = b.lt(u, b.f(0x1.a8279ap-2f));
  typename Ops::F f = b.select(low, u, b.mul(b.sub(u, b.f(1.0f)), b.f(0.5f)));
  typename Ops::F hi = b.select(low, b.f(0.0f), b.f(0x1.62e4p-1f));
  typename Ops::F lo = b.select(low, b.f(0.0f), b.f(0x1.7f7d1cp-20f));
  typename Ops::F l = b.add(hi, b.add(f, b.add(logTail(b, f), lo)));
  typename Ops::F r = b.add(b.select(b.lt(b.f(0.0f), x), x, b.f(0.0f)), l);
  return b.select(b.lt(b.f(20.0f), x), x, r);
}

/// The hyperbolic tangent.
template <class Ops> typename Ops::F tanh(Ops &b, typename Ops::F x) {
  static const float c[] = {-0x1.7ef3p-8f, 0x1.540efp-6f, -0x1.b8827ap-5f,
                            0x1.11091cp-3f, -0x1.55553cp-2f};
  typename Ops::F a = abs(b, x);
  typename Ops::F z = b.mul(a, a);
  typename Ops::F small = b.fma(b.mul(z, a), polynomial(b, z, c), a);
  typename Ops::F e = exp(b, b.add(a, a));
  typename Ops::F large =
      b.sub(b.f(1.0f), b.div(b.f(2.0f), b.add(e, b.f(1.0f))));
  return copySign(b, b.select(b.lt(a, b.f(0.6f)), small, large), x);
}

/// The error function.
template <class Ops> typename Ops::F erf(Ops &b, typename Ops::F x) {
  static const float s[] = {0x1.5ebd96p-14f, -0x1.aad91ap-11f, 0x1.54da22p-8f,
                            -0x1.b8108cp-6f, 0x1.ce2e22p-4f,   -0x1.812744p-2f,
                            0x1.06eba8p-3f};
  // -log(1 - erf(t)) on [0.92, 4].
  static const float g[] = {0x1.e5dc06p-22f, 0x1.0026cep-16f, -0x1.a5e27p-12f,
                            0x1.0add28p-8f,  -0x1.987e76p-6f, 0x1.ba9bdcp-4f,
                            0x1.445b18p-1f,  0x1.21239cp+0f,  -0x1.565c0ap-13f};
  typename Ops::F a = abs(b, x);
  typename Ops::F small = b.fma(polynomial(b, b.mul(a, a), s), a, a);
  typename Ops::F t = clampAbove(b, a, 4.0f);
  typename Ops::F large = b.sub(b.f(1.0f), exp(b, neg(b, polynomial(b, t, g))));
  return copySign(b, b.select(b.lt(a, b.f(0.92f)), small, large), x);
}

/// 1 / sqrt(x), as those two operations.
template <class Ops> typename Ops::F rsqrt(Ops &b, typename Ops::F x) {
  return b.div(b.f(1.0f), b.sqrt(x));
}

/// x^y with C's special values (pow(x, 0) = pow(1, y) = 1, NaN for a negative
/// x and a y that is no integer).
template <class Ops>
typename Ops::F pow(Ops &b, typename Ops::F x, typename Ops::F y) {
  // log(m) = 2s + s^3 Q(s^2), s = f / (2 + f), in two parts.
  static const float c[] = {0x1.e4c48cp-3f, 0x1.242ae4p-2f, 0x1.999abep-2f};
  const float k3 = 0x1.ec709ep-1f, k3lo = -0x1.e2fe02p-28f; // 2/3 log2(e)
  const float k = 0x1.715476p+1f, klo = 0x1.4ae0cp-25f;     // 2 log2(e)
  typename Ops::F zero = b.f(0.0f), one = b.f(1.0f);
  typename Ops::F inf = b.fromBits(b.i(0x7f800000));
  typename Ops::F a = abs(b, x);
  Decomposed<Ops> d = decompose(b, a);
  typename Ops::F den = b.add(d.f, b.f(2.0f));
  typename Ops::F denLo = b.sub(d.f, b.sub(den, b.f(2.0f)));
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
  cl = b.fma(p, b.f(0x1.715476p+0f), cl);
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
  pl = b.select(b.lt(abs(b, ph), b.f(200.0f)), pl, zero);
  typename Ops::F r = exp2Tail(b, ph, pl, true);
  r = b.select(b.eq(a, one), b.select(b.eq(y, y), one, y), r);
  // The sign: odd integers keep it; a fraction of a negative number is NaN.
  typename Ops::M whole = b.eq(floor(b, y), y);
  typename Ops::F half = b.mul(y, b.f(0.5f));
  typename Ops::M even = b.eq(floor(b, half), half);
  typename Ops::F odd = b.select(b.logicAnd(whole, b.logicNot(even)), x, one);
  r = copySign(b, r, b.select(b.eq(r, r), odd, r));
  typename Ops::M bad = b.logicAnd(b.logicAnd(b.lt(x, zero), b.logicNot(whole)),
                                   b.logicAnd(b.lt(a, inf), b.eq(y, y)));
  r = b.select(bad, b.fromBits(b.i(0x7fc00000)), r);
  return b.select(b.logicOr(b.eq(y, zero), b.eq(x, one)), one, r);
}

/// The bits of x rounded to bfloat16 (nearest even, NaN kept), in the low half.
template <class Ops> typename Ops::I bf16Bits(Ops &b, typename Ops::F x) {
  typename Ops::I u = b.bits(x);
  typename Ops::I odd = b.bitAnd(b.shrU(u, 16), b.i(1));
  typename Ops::I r = b.shrU(b.iadd(b.iadd(u, b.i(0x7fff)), odd), 16);
  typename Ops::I nan = b.bitOr(b.shrU(u, 16), b.i(0x40));
  return b.selectInt(b.eq(x, x), r, nan);
}

/// Maps f32 to a signed integer whose order is the order of choice with high
/// values first: -0 equals +0, NaN is INT32_MIN, below -inf.
template <class Ops> typename Ops::I orderedKey(Ops &b, typename Ops::F x) {
  typename Ops::I u = b.bits(b.add(x, b.f(0.0f)));
  typename Ops::I k = b.bitXor(u, b.bitAnd(b.shrS(u, 31), b.i(0x7fffffff)));
  return b.selectInt(b.eq(x, x), k, b.i(INT32_MIN));
}

} // namespace route::num

#endif // ROUTE_NUMERICS_FUNCTIONS_H
