// The exact meaning of scalars, for everything that computes.
// Keys and ties of a choice, the order of sums, conversions and functions: the
// interpreter, the constant folder, generated code and tests all take them from
// here; nothing in it depends on LLVM.
//
// Results are the same bits on every host that keeps IEEE f32 with denormals;
// compile without -ffast-math. C++17.
#ifndef ROUTE_NUMERICS_H
#define ROUTE_NUMERICS_H

#include "route/numerics_functions.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

namespace route::num {

/// Stops GCC from contracting a product with a later sum.
inline float rounded(float x) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__GNUC__) && !defined(__clang__)
  volatile float v = x;
  x = v;
#endif
  return x;
}
inline double rounded(double x) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__GNUC__) && !defined(__clang__)
  volatile double v = x;
  x = v;
#endif
  return x;
}

inline float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
inline double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}
inline float root(float a) { return __builtin_sqrtf(a); }
inline double root(double a) { return __builtin_sqrt(a); }

/// The operation set of numerics_functions.h, or of numerics_wide.h, on the
/// host. In a namespace of its own, so that it brings neither's functions
/// along.
namespace host {
template <class Float, class Int> struct HostOps {
  using F = Float;
  using I = Int;
  using U = std::make_unsigned_t<Int>;
  using M = bool;
  F f(F v) { return v; }
  I i(I v) { return v; }
  F add(F a, F b) { return rounded(a + b); }
  F sub(F a, F b) { return rounded(a - b); }
  F mul(F a, F b) { return rounded(a * b); }
  F div(F a, F b) { return a / b; }
  F fma(F a, F b, F c) { return fused(a, b, c); }
  F sqrt(F a) { return root(a); }
  I bits(F a) {
    I r;
    std::memcpy(&r, &a, sizeof r);
    return r;
  }
  F fromBits(I a) {
    F r;
    std::memcpy(&r, &a, sizeof r);
    return r;
  }
  I iadd(I a, I b) { return I(U(a) + U(b)); }
  I isub(I a, I b) { return I(U(a) - U(b)); }
  I bitAnd(I a, I b) { return a & b; }
  I bitOr(I a, I b) { return a | b; }
  I bitXor(I a, I b) { return a ^ b; }
  I shl(I a, int n) { return I(U(a) << n); }
  I shrS(I a, int n) { return a >> n; }
  I shrU(I a, int n) { return I(U(a) >> n); }
  F scaled(F ms, F s2, F, F) { return mul(ms, s2); }
  F toFloat(I a) { return F(a); }
  M lt(F a, F b) { return a < b; }
  M eq(F a, F b) { return a == b; }
  M logicAnd(M a, M b) { return a && b; }
  M logicOr(M a, M b) { return a || b; }
  M logicNot(M a) { return !a; }
  F select(M c, F a, F b) { return c ? a : b; }
  I selectInt(M c, I a, I b) { return c ? a : b; }
};
} // namespace host
using ScalarOps = host::HostOps<float, int32_t>;

// Functions: see numerics_functions.h for their meaning and errors.
#define ROUTE_NUM_UNARY(name)                                                  \
  inline float name(float x) {                                                 \
    ScalarOps b;                                                               \
    return name(b, x);                                                         \
  }
ROUTE_NUM_UNARY(abs)
ROUTE_NUM_UNARY(neg)
ROUTE_NUM_UNARY(roundEven)
ROUTE_NUM_UNARY(floor)
ROUTE_NUM_UNARY(ceil)
ROUTE_NUM_UNARY(exp)
ROUTE_NUM_UNARY(exp2)
ROUTE_NUM_UNARY(log)
ROUTE_NUM_UNARY(log2)
ROUTE_NUM_UNARY(sigmoid)
ROUTE_NUM_UNARY(silu)
ROUTE_NUM_UNARY(geluTanh)
ROUTE_NUM_UNARY(geluErf)
ROUTE_NUM_UNARY(softplus)
ROUTE_NUM_UNARY(tanh)
ROUTE_NUM_UNARY(erf)
ROUTE_NUM_UNARY(rsqrt)
#undef ROUTE_NUM_UNARY

inline float sqrt(float x) { return ScalarOps().sqrt(x); }
inline float pow(float x, float y) {
  ScalarOps b;
  return pow(b, x, y);
}

/// -1, 0 or 1 by the sign of x; zeros and NaN give themselves.
inline float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

/// The larger value; NaN if either is, and +0 over -0 (IEEE maximum).
inline float maximum(float a, float b) {
  if (a != a || b != b)
    return a + b;
  if (a == b)
    return ScalarOps().bits(a) < 0 ? b : a;
  return a < b ? b : a;
}

/// The smaller value; NaN if either is, and -0 under +0 (IEEE minimum).
inline float minimum(float a, float b) {
  if (a != a || b != b)
    return a + b;
  if (a == b)
    return ScalarOps().bits(a) < 0 ? a : b;
  return b < a ? b : a;
}

// Conversions, to nearest even; NaN stays NaN, denormals are kept.

inline uint16_t toBf16(float x) {
  ScalarOps b;
  return uint16_t(bf16Bits(b, x));
}
inline float fromBf16(uint16_t h) {
  return ScalarOps().fromBits(int32_t(uint32_t(h) << 16));
}
inline uint16_t toF16(float x) {
  ScalarOps b;
  uint32_t u = uint32_t(b.bits(x)), s = (u >> 16) & 0x8000u;
  u &= 0x7fffffffu;
  if (u > 0x7f800000u)
    return uint16_t(s | 0x7e00u | ((u >> 13) & 0x3ffu));
  if (u >= 0x477ff000u) // rounds to 65536 or above
    return uint16_t(s | 0x7c00u);
  if (u < 0x38800000u) { // a denormal half: 0.5 aligns the units at 2^-24
    float a = b.add(b.fromBits(int32_t(u)), 0.5f);
    return uint16_t(s | (uint32_t(b.bits(a)) - 0x3f000000u));
  }
  return uint16_t(s | ((u + 0xfffu + ((u >> 13) & 1u) - 0x38000000u) >> 13));
}
inline float fromF16(uint16_t h) {
  ScalarOps b;
  uint32_t s = uint32_t(h & 0x8000u) << 16, u = uint32_t(h & 0x7fffu) << 13;
  if (u >= 0x0f800000u) // inf, NaN
    return b.fromBits(int32_t(s | 0x7f800000u | (u & 0x007fffffu)));
  float a = b.mul(b.fromBits(int32_t(u)), 0x1p112f);
  return b.fromBits(int32_t(s | uint32_t(b.bits(a))));
}

// Keys. A choice ranks candidates by key, the higher key first, and equal keys
// by index, the lower first. Several keys rank lexicographically. Key 0 is
// below every value: NaN and unknown values have it. A masked candidate is
// absent: it is not ranked at all. `up` puts low values first.

inline uint32_t key(float x, bool up = false) {
  ScalarOps b;
  if (x != x)
    return 0;
  uint32_t k = uint32_t(orderedKey(b, x)) ^ 0x80000000u;
  return up ? ~k : k;
}
inline uint64_t key(double x, bool up = false) {
  if (x != x)
    return 0;
  x += 0.0;
  uint64_t u;
  std::memcpy(&u, &x, sizeof u);
  u = u >> 63 ? ~u : u | 0x8000000000000000ull;
  return up ? ~u : u;
}
inline uint64_t key(int64_t x, bool up = false) {
  uint64_t u = uint64_t(x) ^ 0x8000000000000000ull;
  return up ? ~u : u;
}
inline uint32_t key(int32_t x, bool up = false) {
  uint32_t u = uint32_t(x) ^ 0x80000000u;
  return up ? ~u : u;
}
inline uint32_t key(bool x, bool up = false) { return x != up ? 2 : 1; }

/// One number that ranks an f32 candidate and its index at once: a larger rank
/// is chosen first. Absent candidates have rank 0, which no present one has.
inline uint64_t rank(float x, uint32_t index, bool up = false) {
  return uint64_t(key(x, up)) << 32 | uint32_t(~index);
}

// Sums. The order is part of the meaning.

/// The sum of n values, f32 or f64, read by `at(i)`: 32 partials, partial j
/// holding elements j, j + 32, ... in ascending order (starting from its first
/// element; +0 if it has none), joined by a butterfly: for s in 16, 8, 4, 2, 1,
/// p[j] += p[j + s].
template <class T = float, class At> T sum(size_t n, At at) {
  T p[32];
  for (size_t j = 0; j < 32; ++j) {
    p[j] = j < n ? T(at(j)) : T(0);
    for (size_t i = j + 32; i < n; i += 32)
      p[j] = rounded(p[j] + at(i));
  }
  for (size_t s = 16; s; s /= 2)
    for (size_t j = 0; j < s; ++j)
      p[j] = rounded(p[j] + p[j + s]);
  return p[0];
}
inline float sum(const float *x, size_t n, size_t stride = 1) {
  return sum(n, [&](size_t i) { return x[i * stride]; });
}

/// The mean: the sum over float(n); NaN for n = 0.
template <class At> float mean(size_t n, At at) {
  return sum(n, at) / float(n);
}
inline float mean(const float *x, size_t n, size_t stride = 1) {
  return sum(x, n, stride) / float(n);
}

/// The sum over the rows of a plan: from +0, one by one in rank order.
template <class T = float, class At> T sumInOrder(size_t n, At at) {
  T s = 0;
  for (size_t i = 0; i < n; ++i)
    s = rounded(s + at(i));
  return s;
}

} // namespace route::num

#endif // ROUTE_NUMERICS_H
