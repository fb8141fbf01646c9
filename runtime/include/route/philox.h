// Random draws that replay: Philox4x32-10 (Salmon et al., SC 2011).
// They are keyed by seed, site and values and counted by position. A draw
// depends on nothing else, so neither batch order nor device changes it. The
// interpreter runs this header; Draws.cpp of RouteToLinalg emits the same
// functions by the same names, and test/Specs/draws.test compares them. C++17,
// no LLVM.
#ifndef ROUTE_PHILOX_H
#define ROUTE_PHILOX_H

#include "route/numerics.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace route::num {

/// Ten rounds of Philox4x32 on `counter` under the 64-bit key `key`.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter,
                                      uint64_t key) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53u) * counter[0];
    uint64_t b = uint64_t(0xCD9E8D57u) * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ k0, uint32_t(b),
               uint32_t(a >> 32) ^ counter[3] ^ k1, uint32_t(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// One draw site with its key values. Values enter in operand order: integers
/// (also truths, enums, refs and handles) as 64-bit two's complement, f32 and
/// f64 by their bits with -0 as +0 and one NaN for all of them, text by
/// hashText, unknown values as 0.
class Draw {
public:
  Draw(uint64_t seed, uint64_t site) : state(mix(seed)) { add(site); }
  void add(uint64_t value) { state = mix(state ^ value); }
  void add(float value) {
    add(value != value ? uint64_t(0x7fc00000u)
                       : uint64_t(uint32_t(ScalarOps().bits(value + 0.0f))));
  }
  void add(double value) {
    value += 0.0;
    uint64_t u;
    std::memcpy(&u, &value, sizeof u);
    add(value != value ? uint64_t(0x7ff8000000000000) : u);
  }
  /// FNV-1a over the bytes.
  static uint64_t hashText(const char *bytes, size_t length) {
    uint64_t h = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < length; ++i)
      h = (h ^ uint8_t(bytes[i])) * 0x100000001b3ull;
    return h;
  }

  /// 64 random bits for the row-major `position` in the result.
  uint64_t bits(uint64_t position) const {
    std::array<uint32_t, 4> b =
        philox({uint32_t(position), uint32_t(position >> 32), 0, 0}, state);
    return uint64_t(b[1]) << 32 | b[0];
  }
  /// A multiple of 2^-24 in [0, 1).
  float uniform(uint64_t position) const {
    return float(uint32_t(bits(position)) >> 8) * 0x1p-24f;
  }
  /// -log(-log(u)) with u the middle of one of 2^23 cells of (0, 1).
  float gumbel(uint64_t position) const {
    return neg(log(neg(log(open(position)))));
  }
  /// Standard normal: the inverse distribution function at u as for gumbel, by
  /// Acklam's rational approximation evaluated in f32.
  float normal(uint64_t position) const {
    return normalQuantile(open(position));
  }

private:
  uint64_t state;

  float open(uint64_t position) const {
    return (float(uint32_t(bits(position)) >> 9) + 0.5f) * 0x1p-23f;
  }
  static uint64_t mix(uint64_t z) { // the finaliser of SplitMix64
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  static float horner(float x, const float *c, int n) {
    float r = c[0];
    for (int i = 1; i < n; ++i)
      r = rounded(rounded(r * x) + c[i]);
    return r;
  }
  static float normalQuantile(float u) {
    constexpr float a[] = {-39.69683028665376f, 220.9460984245205f,
                           -275.9285104469687f, 138.3577518672690f,
                           -30.66479806614716f, 2.506628277459239f};
    constexpr float b[] = {-54.47609879822406f, 161.5858368580409f,
                           -155.6989798598866f, 66.80131188771972f,
                           -13.28068155288572f, 1.0f};
    constexpr float c[] = {-0.007784894002430293f, -0.3223964580411365f,
                           -2.400758277161838f,    -2.549732539343734f,
                           4.374664141464968f,     2.938163982698783f};
    constexpr float d[] = {0.007784695709041462f, 0.3224671290700398f,
                           2.445134137142996f, 3.754408661907416f, 1.0f};
    constexpr float low = 0.02425f;
    if (u < low || u > 1.0f - low) {
      float q = sqrt(-2.0f * log(u < low ? u : 1.0f - u));
      float x = horner(q, c, 6) / horner(q, d, 5);
      return u < low ? x : -x;
    }
    float q = u - 0.5f, r = rounded(q * q);
    return rounded(horner(r, a, 6) * q) / horner(r, b, 6);
  }
};

} // namespace route::num

#endif // ROUTE_PHILOX_H
