import COpenMPI
import Glibc
import Synchronization

/// Buffers of the ranks of one node that all of them can read, and flags that say how far each rank is
/// with its own.
///
/// Each rank makes an anonymous file in memory, which ends with its last process and needs no room in
/// /dev/shm, and the others map it through /proc. Whoever cannot, in another PID namespace say, sees
/// to it that all ranks of the job do without.
package final class NodeMemory {
  /// What a rank tells its neighbours; a value never falls.
  enum Flag: Int {
    /// Gradients that are complete: the pass in the high half, its buckets in the low half.
    case ready
    /// Parameters that are up to date, counted likewise.
    case updated
  }

  /// Ranks of the node, a power of two, neighbours by rank.
  package let localSize: Int
  let localRank: Int
  /// The other local ranks.
  let neighbours: [Int]
  /// Exchanges begun.
  var passes: UInt64 = 0
  /// By local rank; each begins with a page of flags.
  private let segments: [UnsafeMutableRawPointer]
  /// In bytes from a segment's start, and in floats.
  private let regions: [(offset: Int, count: Int)]
  private let segmentBytes: Int

  private static let pageBytes = 4096
  private static let regionAlignment = 2 << 20
  /// Bytes from one flag to the next, so that they share no cache line.
  private static let flagStride = 128

  /// Makes and maps the buffers; a collective call of all ranks of the job.
  ///
  /// - Parameters:
  ///   - counts: floats of each buffer, the same on every rank.
  ///   - groupSize: how many neighbours share, a divisor of the node's ranks; by default all of them.
  /// - Returns: nil on every rank where one of them cannot share, or where the ranks are not placed
  ///   by node, as many on each, all powers of two.
  package static func share(
    _ counts: [Int], _ communicator: Communicator, groupSize: Int? = nil
  ) throws(CollectiveError) -> NodeMemory? {
    let localSize = groupSize ?? communicator.localSize
    let localRank = communicator.rank % localSize
    let isRegular =
      localSize > 1 && localSize.nonzeroBitCount == 1 && communicator.size.nonzeroBitCount == 1
      && communicator.localRank % localSize == localRank
    let size = [UInt8(isRegular ? localSize.trailingZeroBitCount : 255)]
    let sizes = try communicator.gatherAll(size)
    guard sizes.allSatisfy({ $0 == size && $0 != [255] }) else { return nil }
    let own = SharedFile(bytes: layOut(counts).bytes)
    let names = try communicator.gatherAll(own?.name ?? [])
    let first = communicator.rank - localRank
    let mapped = own.flatMap { own in
      NodeMemory(own, names: Array(names[first..<first + localSize]), counts, localRank: localRank)
    }
    // This is a barrier too: the files may be closed once all have mapped them.
    let failures = try communicator.sumAll([mapped == nil ? 1 : 0])[0]
    own?.close()
    return failures == 0 ? mapped : nil
  }

  private init?(
    _ own: SharedFile, names: [[UInt8]], _ counts: [Int], localRank: Int
  ) {
    localSize = names.count
    self.localRank = localRank
    neighbours = names.indices.filter { $0 != localRank }
    (regions, segmentBytes) = Self.layOut(counts)
    var segments: [UnsafeMutableRawPointer] = []
    for (index, name) in names.enumerated() {
      guard let segment = index == localRank ? own.map() : SharedFile.map(name, own.bytes) else {
        break
      }
      segments.append(segment)
    }
    self.segments = segments
    if segments.count < localSize { return nil }
  }

  deinit {
    for segment in segments { munmap(segment, segmentBytes) }
  }

  private static func layOut(
    _ counts: [Int]
  ) -> (regions: [(offset: Int, count: Int)], bytes: Int) {
    var end = regionAlignment
    var regions: [(offset: Int, count: Int)] = []
    for count in counts {
      regions.append((end, count))
      let bytes = count * MemoryLayout<Float>.stride
      end += (bytes + regionAlignment - 1) / regionAlignment * regionAlignment
    }
    return (regions, end)
  }

  /// This rank's buffer [counts[region]], zeros at first.
  package func buffer(_ region: Int) -> UnsafeMutablePointer<Float> {
    buffer(region, of: localRank)
  }

  func buffer(_ region: Int, of localRank: Int) -> UnsafeMutablePointer<Float> {
    (segments[localRank] + regions[region].offset)
      .bindMemory(to: Float.self, capacity: regions[region].count)
  }

  /// A stretch of a buffer, the same on every rank.
  struct Place: Equatable {
    let region: Int
    /// In floats.
    let offset: Int
  }

  /// Where `address` is in this rank's buffers.
  func place(of address: UnsafeMutablePointer<Float>) -> Place? {
    for (region, shape) in regions.enumerated() {
      let offset = address - buffer(region)
      if offset >= 0, offset < max(1, shape.count) {
        return Place(region: region, offset: offset)
      }
    }
    return nil
  }

  func address(_ place: Place, of localRank: Int) -> UnsafeMutablePointer<Float> {
    buffer(place.region, of: localRank) + place.offset
  }

  /// Tells the neighbours, and lets them see all that was written before.
  func raise(_ flag: Flag, to value: UInt64) {
    atomic(flag, of: localRank).pointee.store(value, ordering: .releasing)
  }

  func value(_ flag: Flag, of localRank: Int) -> UInt64 {
    atomic(flag, of: localRank).pointee.load(ordering: .acquiring)
  }

  private func atomic(_ flag: Flag, of localRank: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // Behind the mark by which a segment is known.
    (segments[localRank] + (flag.rawValue + 1) * Self.flagStride)
      .bindMemory(to: Atomic<UInt64>.self, capacity: 1)
  }
}

/// An anonymous file in memory, begun with a random mark by which others know that they have mapped the
/// right one.
private struct SharedFile {
  let bytes: Int
  private let descriptor: Int32
  private let mark: UInt64

  init?(bytes: Int) {
    self.bytes = bytes
    mark = UInt64.random(in: 1 ... .max)
    descriptor = lockstep_memory_file("lockstep")
    guard descriptor >= 0 else { return nil }
    guard ftruncate(descriptor, bytes) == 0, let segment = map() else {
      Glibc.close(descriptor)
      return nil
    }
    segment.storeBytes(of: mark, as: UInt64.self)
    munmap(segment, bytes)
  }

  /// What another process needs to map the file.
  var name: [UInt8] { Array("\(mark) /proc/\(getpid())/fd/\(descriptor)".utf8) }

  func map() -> UnsafeMutableRawPointer? { Self.map(descriptor, bytes) }

  func close() { Glibc.close(descriptor) }

  static func map(_ name: [UInt8], _ bytes: Int) -> UnsafeMutableRawPointer? {
    let words = String(decoding: name, as: UTF8.self).split(separator: " ")
    guard words.count == 2, let mark = UInt64(words[0]) else { return nil }
    let descriptor = open(String(words[1]), O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { Glibc.close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size == bytes,
      let segment = map(descriptor, bytes)
    else { return nil }
    if segment.load(as: UInt64.self) == mark { return segment }
    munmap(segment, bytes)
    return nil
  }

  private static func map(_ descriptor: Int32, _ bytes: Int) -> UnsafeMutableRawPointer? {
    let segment = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let segment, segment != MAP_FAILED else { return nil }
    // Advice only, which most systems do not follow for shared memory.
    madvise(segment, bytes, Int32(MADV_HUGEPAGE))
    return segment
  }
}
