// What this machine's processor can do.
// Variants of an entry are chosen by these bits. The compiler's own run-time
// support asks cpuid and checks that the operating system saves the registers.
#include "route/route.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/// AMX tiles need the processor's bits and the kernel's leave to use them.
static bool haveAmxBf16() {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
    return false;
  const unsigned amxBf16 = 1u << 22, amxTile = 1u << 24;
  if ((edx & amxBf16) == 0 || (edx & amxTile) == 0)
    return false;
  const long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

static uint64_t detect() {
  __builtin_cpu_init();
  uint64_t features = 0;
  auto set = [&](bool present, uint64_t bit) {
    if (present)
      features |= bit;
  };
  set(__builtin_cpu_supports("x86-64-v2"), ROUTE_CPU_X86_64_V2);
  set(__builtin_cpu_supports("x86-64-v3"), ROUTE_CPU_X86_64_V3);
  set(__builtin_cpu_supports("x86-64-v4"), ROUTE_CPU_X86_64_V4);
  set(__builtin_cpu_supports("avx512bf16"), ROUTE_CPU_AVX512_BF16);
  set(__builtin_cpu_supports("avx512vnni"), ROUTE_CPU_AVX512_VNNI);
  set(__builtin_cpu_supports("avx512vbmi"), ROUTE_CPU_AVX512_VBMI);
  set(__builtin_cpu_supports("avx512vbmi2"), ROUTE_CPU_AVX512_VBMI2);
  set(__builtin_cpu_supports("avx512fp16"), ROUTE_CPU_AVX512_FP16);
  set(haveAmxBf16(), ROUTE_CPU_AMX_BF16);
  return features;
}
#else
static uint64_t detect() { return 0; }
#endif

extern "C" uint64_t route_cpu_features(void) {
  static const uint64_t features = detect();
  return features;
}
