#pragma once
#include <cblas.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// What the vector kernels need from the CPU and Swift's standard library does not offer.

/// Makes the calling thread flush subnormal results to zero and read subnormal operands as zero
/// (MXCSR bits 15 and 6). Elsewhere than on x86 the thread keeps its mode.
static inline void lockstep_flush_subnormals(void) {
#if defined(__SSE__)
  const unsigned int flush = (1u << 15) | (1u << 6);
  unsigned int mode = __builtin_ia32_stmxcsr();
  if ((mode & flush) != flush) __builtin_ia32_ldmxcsr(mode | flush);
#endif
}

/// Tells the core that the thread spins.
static inline void lockstep_pause(void) {
#if defined(__SSE__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Asks for the cache line at p, to be read soon. An address without memory is ignored.
static inline void lockstep_prefetch(const void *p) { __builtin_prefetch(p, 0, 2); }

/// Swift imports this as SIMD8<Float>.
typedef float lockstep_float8 __attribute__((ext_vector_type(8)));

/// Correctly rounded square roots, one instruction; SIMD8.squareRoot() calls sqrtf lane by lane.
static inline __attribute__((always_inline)) lockstep_float8 lockstep_square_root(
    lockstep_float8 x) {
  return __builtin_elementwise_sqrt(x);
}

/// Lets the calling thread run on every core that the process's cpuset has, wherever the launcher has
/// bound the process to. Returns 0, or -1 where that is refused.
static inline int lockstep_unbind_thread(void) {
  unsigned long all[1024 / sizeof(unsigned long)];
  memset(all, 0xff, sizeof all);
  return (int)syscall(SYS_sched_setaffinity, 0, sizeof all, all);
}
