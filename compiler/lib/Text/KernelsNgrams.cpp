// Hashed n-gram features.
// The loops behind signal.ngrams. Built to LLVM IR as the other kernels are; in
// C++ for numerics.h, without anything of its library.
#include "KernelChars.h"
#include "route/Text/Kernels.h"
#include "route/numerics.h"

#define XXH_INLINE_ALL
#define XXH_VECTOR 0 // XXH_SCALAR: the vectoriser of the target decides
#include <xxhash.h>

INLINE void add(const uint8_t *gram, int64_t size, int64_t dim, int32_t hash,
                uint64_t seed, float *out) {
  uint64_t value;
  if (hash == 0) {
    value = XXH3_64bits_withSeed(gram, size, seed);
  } else {
    value = 0xCBF29CE484222325u ^ seed;
    for (int64_t i = 0; i < size; ++i)
      value = (value ^ gram[i]) * 0x100000001B3u;
  }
  out[value % static_cast<uint64_t>(dim)] += 1.0f;
}

INLINE void finish(int64_t dim, int32_t weighting, int32_t norm, float *out) {
  if (weighting == 1) {
    for (int64_t i = 0; i < dim; ++i)
      out[i] = out[i] > 0.0f ? 1.0f : 0.0f;
  } else if (weighting == 2) {
    for (int64_t i = 0; i < dim; ++i)
      out[i] = route::num::log(1.0f + out[i]);
  }
  if (norm == 0)
    return;
  float squares = route::num::sum(static_cast<size_t>(dim),
                                  [=](size_t i) { return out[i] * out[i]; });
  if (squares > 0.0f) {
    float length = route::num::sqrt(squares);
    for (int64_t i = 0; i < dim; ++i)
      out[i] = out[i] / length;
  }
}

void route_text_byte_ngrams(const uint8_t *text, int64_t size, int64_t lo,
                            int64_t hi, int64_t dim, int32_t hash,
                            uint64_t seed, int32_t weighting, int32_t norm,
                            float *out) {
  for (int64_t i = 0; i < dim; ++i)
    out[i] = 0.0f;
  for (int64_t n = lo; n <= hi; ++n)
    for (int64_t at = 0; at + n <= size; ++at)
      add(text + at, n, dim, hash, seed, out);
  finish(dim, weighting, norm, out);
}

void route_text_word_ngrams(const uint8_t *text, int64_t size,
                            const uint8_t *wordBlocks, const uint8_t *wordBits,
                            int64_t lo, int64_t hi, int64_t dim, int32_t hash,
                            uint64_t seed, int32_t weighting, int32_t norm,
                            float *out) {
  for (int64_t i = 0; i < dim; ++i)
    out[i] = 0.0f;
  int64_t starts[16]; // of the last words; word w at w % 16
  int64_t words = 0, end = 0;
  bool inside = false;
  auto close = [&] {
    for (int64_t n = lo; n <= hi && n <= words; ++n) {
      int64_t begin = starts[(words - n) & 15];
      add(text + begin, end - begin, dim, hash, seed, out);
    }
  };
  for (int64_t at = 0; at < size;) {
    int64_t length;
    int formed;
    uint32_t c = readChar(text + at, size - at, &length, &formed);
    uint32_t kind = wordKind(c, wordBlocks, wordBits);
    if (inside && kind != 1) {
      close();
      inside = false;
    }
    if (kind == 2 || (kind == 1 && !inside))
      starts[words++ & 15] = at;
    at += length;
    end = kind ? at : end;
    if (kind == 2)
      close();
    inside = kind == 1;
  }
  if (inside)
    close();
  finish(dim, weighting, norm, out);
}
