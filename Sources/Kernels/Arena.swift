#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Float storage that lives as long as its owner: zero-filled, 64-byte aligned.
///
/// A large arena is aligned to 2 MiB and asks for huge pages, which spares GEMM and AdamW most of
/// their TLB misses. Pages come from the kernel on first touch.
package final class Arena: @unchecked Sendable {
  package let base: MutableFloats
  package let count: Int

  private static let hugePage = 2 << 20

  package init(count: Int) {
    precondition(count >= 0, "an arena cannot have \(count) floats")
    self.count = count
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    let large = bytes >= 2 * Arena.hugePage
    var memory: UnsafeMutableRawPointer?
    let status = posix_memalign(&memory, large ? Arena.hugePage : 64, bytes)
    guard status == 0, let memory else {
      preconditionFailure("no memory for an arena of \(bytes) bytes")
    }
    #if os(Linux)
      // Advice only: without huge pages the arena is slower and still right.
      if large { madvise(memory, bytes, Int32(MADV_HUGEPAGE)) }
    #endif
    memset(memory, 0, bytes)
    base = memory.bindMemory(to: Float.self, capacity: max(count, 1))
  }

  deinit { free(base) }
}
