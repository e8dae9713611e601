import COpenBLAS

/// OpenBLAS's name for the processor that its kernels were chosen for, e.g. `Zen`.
package func coreType() -> String { String(cString: openblas_get_corename()) }

/// OpenBLAS's version and build, e.g. `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY`.
package func blasConfiguration() -> String { String(cString: openblas_get_config()) }

/// Threads that OpenBLAS would use for a product of its own.
package func blasThreads() -> Int { Int(openblas_get_num_threads()) }
