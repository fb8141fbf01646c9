// The choice as one would write it by hand for AVX-512.
// Eight items side by side, candidates as (key, ~index) in 64 bits, blocks of
// eight sorted by Batcher's network and merged with the best eight so far.
#ifndef ROUTE_TEST_PERF_NETWORK_H
#define ROUTE_TEST_PERF_NETWORK_H

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define ROUTE_HAVE_NETWORK 1

#include <algorithm>
#include <cstdint>
#include <immintrin.h>

namespace route::test {

inline void compare(__m512i &a, __m512i &b) {
  __m512i high = _mm512_max_epu64(a, b);
  b = _mm512_min_epu64(a, b);
  a = high;
}

/// Batcher's odd-even merge sort, the largest first: 19 comparators.
inline void sortEight(__m512i *v) {
  for (int p = 1; p < 8; p *= 2)
    for (int k = p; k >= 1; k /= 2)
      for (int j = k % p; j + k < 8; j += 2 * k)
        for (int i = 0; i < std::min(k, 8 - j - k); ++i)
          if ((i + j) / (2 * p) == (i + j + k) / (2 * p))
            compare(v[i + j], v[i + j + k]);
}

/// The best eight of two sorted eights, sorted.
inline void mergeEight(__m512i *best, const __m512i *next) {
  for (int i = 0; i < 8; ++i)
    best[i] = _mm512_max_epu64(best[i], next[7 - i]);
  for (int s = 4; s; s /= 2)
    for (int i = 0; i < 8; ++i)
      if (!(i & s))
        compare(best[i], best[i + s]);
}

/// Eight rows of eight f32 as eight columns.
inline void transposeEight(__m256 *r) {
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      u[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
      u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

/// e^x for x <= 0, to a few units in the last place.
inline __m512 expOf(__m512 x) {
  __m512 n =
      _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.442695041f)),
                           _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720);
  for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  return _mm512_scalef_ps(p, n);
}

/// The largest logit of an item and the sum of e^(logit - largest); `experts`
/// is a multiple of 16.
inline void sumOf(const float *x, int experts, float &most, float &sum) {
  __m512 high = _mm512_loadu_ps(x);
  for (int e = 16; e < experts; e += 16)
    high = _mm512_max_ps(high, _mm512_loadu_ps(x + e));
  most = _mm512_reduce_max_ps(high);
  __m512 total = _mm512_setzero_ps();
  for (int e = 0; e < experts; e += 16)
    total = _mm512_add_ps(total, expOf(_mm512_sub_ps(_mm512_loadu_ps(x + e),
                                                     _mm512_set1_ps(most))));
  sum = _mm512_reduce_add_ps(total);
}

/// Top 8 of each item's logits, best first: indices, counts and, where
/// `softmax` is true, weights. `experts` is a multiple of 16.
template <bool softmax>
__attribute__((noinline)) inline void networkTop8(const float *x, int *idx,
                                                  float *w, int *counts,
                                                  int64_t items, int experts) {
  const __m512i sign = _mm512_set1_epi64(int64_t(1) << 63);
  for (int64_t t = 0; t < items; t += 8) {
    const float *row[8];
    for (int i = 0; i < 8; ++i)
      row[i] = x + std::min(t + i, items - 1) * experts;
    __m512i best[8], next[8];
    for (__m512i &b : best)
      b = _mm512_setzero_si512();
    for (int e = 0; e < experts; e += 8) {
      __m256 column[8];
      for (int i = 0; i < 8; ++i)
        column[i] = _mm256_loadu_ps(row[i] + e);
      transposeEight(column);
      for (int i = 0; i < 8; ++i) {
        // Negative numbers turn around; the others get their sign set.
        __m512i bits = _mm512_slli_epi64(
            _mm512_cvtepu32_epi64(_mm256_castps_si256(column[i])), 32);
        __m512i flip = _mm512_or_si512(_mm512_srai_epi64(bits, 63), sign);
        next[i] = _mm512_or_si512(
            _mm512_and_si512(_mm512_xor_si512(bits, flip),
                             _mm512_set1_epi64(~int64_t(0xffffffff))),
            _mm512_set1_epi64(uint32_t(~uint32_t(e + i))));
      }
      sortEight(next);
      mergeEight(best, next);
    }
    // Item by item, as they are stored.
    alignas(64) uint64_t out[8][8];
    for (int r = 0; r < 8; ++r)
      _mm512_store_si512(out[r], best[r]);
    for (int i = 0; i < 8 && t + i < items; ++i) {
      int *to = idx + (t + i) * 8;
      for (int r = 0; r < 8; ++r) {
        to[r] = int(~uint32_t(out[r][i]));
        ++counts[to[r]];
      }
      if (softmax) {
        float most, sum;
        sumOf(row[i], experts, most, sum);
        __m256 chosen = _mm256_i32gather_ps(
            row[i], _mm256_loadu_si256(reinterpret_cast<__m256i *>(to)), 4);
        __m512 e = expOf(_mm512_sub_ps(_mm512_castps256_ps512(chosen),
                                       _mm512_set1_ps(most)));
        _mm256_storeu_ps(
            w + (t + i) * 8,
            _mm256_div_ps(_mm512_castps512_ps256(e), _mm256_set1_ps(sum)));
      }
    }
  }
}

} // namespace route::test

#endif // AVX-512
#endif // ROUTE_TEST_PERF_NETWORK_H
