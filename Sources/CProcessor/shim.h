#pragma once
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// What the processor says of itself. /proc/cpuinfo is the kernel's opinion: an emulator of one process
// hands the host's through.

/// Whether processor and operating system have AVX2, FMA, and AVX-512's foundation; 0 elsewhere than
/// on x86-64.
static inline int lockstep_has_avx(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx") != 0;
#else
  return 0;
#endif
}
static inline int lockstep_has_avx2(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return 0;
#endif
}
static inline int lockstep_has_fma(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("fma") != 0;
#else
  return 0;
#endif
}
static inline int lockstep_has_avx512(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") != 0;
#else
  return 0;
#endif
}

/// Writes the processor's name, 48 bytes and a zero; empty where it has none.
static inline void lockstep_processor_name(char name[49]) {
  memset(name, 0, 49);
#if defined(__x86_64__)
  unsigned registers[12];
  if (__get_cpuid_max(0x80000000u, 0) < 0x80000004u) return;
  for (unsigned leaf = 0; leaf < 3; leaf++) {
    unsigned *part = registers + 4 * leaf;
    __get_cpuid(0x80000002u + leaf, part, part + 1, part + 2, part + 3);
  }
  memcpy(name, registers, 48);
#endif
}
