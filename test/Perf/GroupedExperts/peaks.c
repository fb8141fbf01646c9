// Ceilings of one core: f32 FMA, bf16 dot products, and reading memory.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// Time of this thread: others on the machine do not lower a ceiling.
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

#define CHAINS 20

// GFLOP/s of fused multiply-adds on 16 f32, in CHAINS independent chains.
double peak_f32(int64_t rounds) {
  __m512 sum[CHAINS], x = _mm512_set1_ps(1.0000001f), y = _mm512_set1_ps(1e-9f);
#pragma clang loop unroll(full)
  for (int i = 0; i < CHAINS; ++i)
    sum[i] = _mm512_set1_ps(i);
  double start = now();
  for (int64_t r = 0; r < rounds; ++r)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; ++i) {
      sum[i] = _mm512_fmadd_ps(sum[i], x, y);
      __asm__ volatile("" : "+v"(sum[i]));
    }
  return 2e-9 * 16 * CHAINS * rounds / (now() - start);
}

// GFLOP/s of dot products of 16 pairs of bf16; 0 without them.
double peak_bf16(int64_t rounds) {
#ifndef __AVX512BF16__
  (void)rounds;
  return 0;
#else
  __m512 sum[CHAINS];
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f803f80), y = x;
#pragma clang loop unroll(full)
  for (int i = 0; i < CHAINS; ++i)
    sum[i] = _mm512_set1_ps(i);
  double start = now();
  for (int64_t r = 0; r < rounds; ++r)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; ++i) {
      sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
      __asm__ volatile("" : "+v"(sum[i]));
    }
  return 4e-9 * 16 * CHAINS * rounds / (now() - start);
#endif
}

// GB/s of reading `bytes` bytes in order, best of two ways: plain loads, and
// loads with software prefetch `ahead` bytes before.
double read_bandwidth(const char *data, int64_t bytes) {
  double best = 0;
  for (int64_t ahead = 0; ahead <= 8192; ahead += 4096) {
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512(), _mm512_setzero_si512()};
    double start = now();
    for (int64_t i = 0; i + 256 <= bytes; i += 256)
      for (int j = 0; j < 4; ++j) {
        if (ahead)
          _mm_prefetch(data + i + 64 * j + ahead, _MM_HINT_T1);
        sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(data + i + 64 * j));
        __asm__ volatile("" : "+v"(sum[j]));
      }
    double rate = 1e-9 * bytes / (now() - start);
    best = rate > best ? rate : best;
  }
  return best;
}
