// Block-scaled 4-bit floats (OCP Microscaling Formats, MXFP4) as numbers.
// 32 numbers share a power of two. The runtime and the interpreter read
// checkpoints of them through this header; C++17, no LLVM.
#ifndef ROUTE_MXFP4_H
#define ROUTE_MXFP4_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace route::num {

constexpr int mxfp4Block = 32; ///< numbers that share a scale

/// The number that four bits, e2m1, stand for under a scale, e8m0: exactly, and
/// NaN under scale 255. Such a number is one of bf16's too.
inline float fromMxfp4(uint8_t bits, uint8_t scale) {
  constexpr float magnitudes[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  if (scale == 255)
    return std::nanf("");
  float value = std::ldexp(magnitudes[bits & 7], int(scale) - 127);
  return bits & 8 ? -value : value;
}

/// Number `i` of a tensor: two a byte, the first in the low half.
inline float mxfp4At(const uint8_t *blocks, const uint8_t *scales, uint64_t i) {
  return fromMxfp4(blocks[i / 2] >> (i % 2 * 4) & 15, scales[i / mxfp4Block]);
}

/// `count` numbers as bf16.
inline void unpackMxfp4(const uint8_t *blocks, const uint8_t *scales,
                        uint64_t count, uint16_t *out) {
  for (uint64_t i = 0; i < count; ++i) {
    float value = mxfp4At(blocks, scales, i);
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    out[i] = uint16_t(bits >> 16); // the other bits are zero
  }
}

} // namespace route::num

#endif // ROUTE_MXFP4_H
