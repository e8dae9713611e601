import Glibc

/// The bytes that some memory had at one moment, copied as late as possible.
///
/// A writer thread takes them block by block, each byte once, while their owner goes on reading the
/// memory. Before the owner changes any of it, it calls ``detach(_:)``, which copies what has not
/// been taken; the writer then goes on from the copy.
package final class LazySnapshot: @unchecked Sendable {
  /// Bytes that are tracked, and copied on detaching, together.
  private static let grain = 1 << 18

  private let regions: [UnsafeRawBufferPointer]
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  // What follows is guarded by the mutex.
  /// [regions][blocks] Bytes that the writer has not taken.
  private var untaken: [[Int]]
  private var copies: [UnsafeMutableRawBufferPointer] = []
  private var isDetached = false

  /// - Parameter regions: memory that stays in place for as long as the snapshot lives.
  package init(of regions: [UnsafeRawBufferPointer]) {
    self.regions = regions
    untaken = regions.map { region in
      stride(from: 0, to: region.count, by: Self.grain).map { min(Self.grain, region.count - $0) }
    }
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    for copy in copies { munmap(copy.baseAddress, copy.count) }
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Gets the memory of the copy beforehand, on the writer's time: pages cost as much as copying.
  package func reserve() {
    let copies = locked {
      if self.copies.isEmpty, !isDetached { self.copies = regions.compactMap(Self.map) }
      return self.copies
    }
    // Without the lock, and so perhaps beside the copying: it changes no byte.
    for copy in copies { madvise(copy.baseAddress, copy.count, populateWrite) }
  }

  /// Calls `body` with consecutive blocks of `bytes` as they were when the snapshot was made.
  ///
  /// - Parameters:
  ///   - bytes: memory inside one of the regions; no byte is taken twice.
  ///   - scratch: room for one block, at least a byte.
  package func withBlocks(
    of bytes: UnsafeRawBufferPointer, scratch: UnsafeMutableRawBufferPointer,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    guard let index = regions.firstIndex(where: { Self.contains($0, base) }),
      let regionBase = regions[index].baseAddress
    else { preconditionFailure("bytes outside of the snapshot's regions") }
    let start = base - regionBase
    for offset in stride(from: start, to: start + bytes.count, by: scratch.count) {
      let range = offset..<min(offset + scratch.count, start + bytes.count)
      let copy: UnsafeRawBufferPointer? = locked {
        if isDetached { return UnsafeRawBufferPointer(rebasing: copies[index][range]) }
        scratch.copyMemory(from: UnsafeRawBufferPointer(rebasing: regions[index][range]))
        markTaken(range, of: index)
        return nil
      }
      try body(copy ?? UnsafeRawBufferPointer(rebasing: scratch[..<range.count]))
    }
  }

  /// Copies what has not been taken: from now on the owner may change the regions.
  ///
  /// - Parameter run: calls its closure for every block of 0..<blocks, on any threads.
  /// - Returns: Whether there is room for the copy; if not, nothing may be changed before the writer
  ///   is done.
  package func detach(
    _ run: (_ blocks: Int, _ body: (_ block: Int) -> Void) -> Void
  ) -> Bool {
    locked {
      guard !isDetached else { return true }
      let blocks = untaken.indices.flatMap { region in
        untaken[region].indices.lazy.filter { self.untaken[region][$0] > 0 }.map { (region, $0) }
      }
      if blocks.isEmpty {
        isDetached = true
        return true
      }
      if copies.count < regions.count { copies = regions.compactMap(Self.map) }
      guard copies.count == regions.count else { return false }
      let (copies, regions) = (self.copies, self.regions)
      run(blocks.count) { block in
        let (region, number) = blocks[block]
        let start = number * Self.grain
        let range = start..<min(start + Self.grain, regions[region].count)
        UnsafeMutableRawBufferPointer(rebasing: copies[region][range])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: regions[region][range]))
      }
      isDetached = true
      return true
    }
  }

  private func markTaken(_ range: Range<Int>, of region: Int) {
    for block in range.lowerBound / Self.grain...(range.upperBound - 1) / Self.grain {
      let start = block * Self.grain
      untaken[region][block] -= range.clamped(to: start..<start + Self.grain).count
    }
  }

  private static func contains(
    _ region: UnsafeRawBufferPointer, _ address: UnsafeRawPointer
  ) -> Bool {
    guard let base = region.baseAddress else { return false }
    return address >= base && address < base + region.count
  }

  /// Fresh memory, whose pages come when they are written to; nil where there is none.
  private static func map(_ region: UnsafeRawBufferPointer) -> UnsafeMutableRawBufferPointer? {
    let size = max(region.count, 1)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let base = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let base, base != MAP_FAILED else { return nil }
    // Not huge pages: where memory is full of file pages, as after a save, the kernel compacts it first,
    // which was measured at ten times the time of small pages.
    return UnsafeMutableRawBufferPointer(start: base, count: size)
  }

  private func locked<Value>(_ body: () -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
}

/// MADV_POPULATE_WRITE of Linux 5.14, which the headers of older systems lack. Older kernels refuse it,
/// and bring the pages when they are written to.
private let populateWrite: Int32 = 23
