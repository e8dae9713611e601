#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Float storage that lives as long as its owner: zero-filled, 64-byte aligned.
///
/// A large arena is aligned to 2 MiB and asks for huge pages, which spares GEMM and AdamW most of
/// their TLB misses. Its pages come from the kernel, as zeros, when they are first touched: what is
/// never used takes no memory.
package final class Arena: @unchecked Sendable {
  /// The size of the pages that a large arena asks for.
  package enum Pages: Sendable {
    case huge
    /// For an arena of which only short stretches are used.
    case small
  }

  package let base: MutableFloats
  package let count: Int
  /// Bytes of the mapping at `base`; 0 for memory of the heap, and for another owner's.
  private let mappedBytes: Int
  private let owner: AnyObject?

  private static let hugePage = 2 << 20

  package init(count: Int, pages: Pages = .huge) {
    precondition(count >= 0, "an arena cannot have \(count) floats")
    self.count = count
    owner = nil
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    let isLarge = bytes >= 2 * Arena.hugePage
    mappedBytes = isLarge ? (bytes + Arena.hugePage - 1) & ~(Arena.hugePage - 1) : 0
    let memory = isLarge ? Arena.map(mappedBytes, pages) : Arena.allocate(bytes)
    guard let memory else { preconditionFailure("no memory for an arena of \(bytes) bytes") }
    base = memory.bindMemory(to: Float.self, capacity: max(count, 1))
  }

  /// Zeros that another object holds, such as memory that processes share.
  ///
  /// - Parameter base: [count], aligned to 64 bytes; valid as long as `owner` lives.
  package init(base: MutableFloats, count: Int, in owner: AnyObject) {
    self.base = base
    self.count = count
    self.owner = owner
    mappedBytes = 0
  }

  deinit {
    guard owner == nil else { return }
    if mappedBytes > 0 { munmap(base, mappedBytes) } else { free(base) }
  }

  private static func allocate(_ bytes: Int) -> UnsafeMutableRawPointer? {
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, 64, bytes) == 0, let memory else { return nil }
    return memset(memory, 0, bytes)
  }

  /// - Parameter bytes: a multiple of the size of huge pages.
  private static func map(_ bytes: Int, _ pages: Pages) -> UnsafeMutableRawPointer? {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    let mapping = mmap(nil, bytes + hugePage, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let mapping, mapping != MAP_FAILED else { return nil }
    // The parts before and behind the aligned stretch go back.
    let before = -Int(bitPattern: mapping) & (hugePage - 1)
    if before > 0 { munmap(mapping, before) }
    let base = mapping + before
    munmap(base + bytes, hugePage - before)
    #if os(Linux)
      // Advice only: without huge pages the arena is slower and still right.
      madvise(base, bytes, Int32(pages == .huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
    #endif
    return base
  }
}
