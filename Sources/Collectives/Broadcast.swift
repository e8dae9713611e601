import COpenMPI

extension Communicator {
  /// Copies `buffer` from rank `root` into the same-sized buffer of every other rank; any size.
  ///
  /// Down a binomial tree, piece by piece. MPI_Ibcast would do, but moves 32 KB a poll.
  package func broadcast(
    _ buffer: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(CollectiveError) {
    guard (0..<size).contains(root) else {
      throw CollectiveError(
        place: "rank \(rank) on \(host)", expected: "a broadcast from one of \(size) ranks",
        found: "rank \(root)", remedy: "report this: it is a defect of lockstep")
    }
    guard size > 1 else { return }
    let distance = (rank - root + size) % size
    // The lowest set bit of the distance to the root is that to the parent; children are below it.
    let reach = distance == 0 ? size : 1 << distance.trailingZeroBitCount
    let children = (0..<Int.bitWidth).map { 1 << $0 }
      .prefix { $0 < reach && $0 < size }.filter { distance + $0 < size }.reversed()
    for piece in pieces(of: buffer.count, longest: min(largestMessage, 16 << 20)) {
      let base = buffer.baseAddress?.advanced(by: piece.lowerBound)
      if distance > 0 {
        let parent = (distance - reach + root) % size
        try transfer("MPI_Irecv", [parent]) { rank, request in
          MPI_Irecv(
            base, Int32(piece.count), lockstep_byte(), rank, 0, lockstep_comm_world(), request)
        }
      }
      try transfer("MPI_Isend", children.map { (distance + $0 + root) % size }) { rank, request in
        MPI_Isend(
          base, Int32(piece.count), lockstep_byte(), rank, 0, lockstep_comm_world(), request)
      }
      worked()
    }
  }

  /// Starts a message with each peer and waits for all.
  func transfer(
    _ call: String, _ peers: [Int],
    _ start: (Int32, UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(CollectiveError) {
    var requests = [MPI_Request?](repeating: lockstep_request_null(), count: peers.count)
    try requests.withUnsafeMutableBufferPointer { requests throws(CollectiveError) in
      guard let base = requests.baseAddress else { return }
      for (index, peer) in peers.enumerated() { try check(start(Int32(peer), base + index), call) }
      try wait(base, count: peers.count, for: .transfer, call)
    }
  }

  /// The bytes of rank `root`, on every rank; what the others pass is ignored, its length too.
  package func broadcast(_ bytes: [UInt8], from root: Int) throws(CollectiveError) -> [UInt8] {
    let length = try broadcastLength(bytes.count, from: root)
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: length)
    try result.withUnsafeMutableBufferPointer { buffer throws(CollectiveError) in
      try broadcast(UnsafeMutableRawBufferPointer(buffer), from: root)
    }
    return result
  }

  /// Every rank's bytes, on every rank, by rank; lengths may differ.
  package func gatherAll(_ bytes: [UInt8]) throws(CollectiveError) -> [[UInt8]] {
    guard size > 1 else { return [bytes] }
    let lengths = try gatherLengths(bytes.count)
    let total = lengths.reduce(0, +)
    if total > largestMessage {
      // The displacements of MPI_Allgatherv are 32-bit too.
      var all: [[UInt8]] = []
      for root in 0..<size { all.append(try broadcast(bytes, from: root)) }
      return all
    }
    let joined = total > 0 ? try gather(bytes, lengths: lengths) : []
    var start = 0
    return lengths.map { length in
      defer { start += length }
      return Array(joined[start..<start + length])
    }
  }

  /// Every rank's bytes one after the other.
  private func gather(_ bytes: [UInt8], lengths: [Int]) throws(CollectiveError) -> [UInt8] {
    var starts = [Int32](repeating: 0, count: size)
    for other in 1..<size { starts[other] = starts[other - 1] + Int32(lengths[other - 1]) }
    // MPI reads and writes all of these until the call is complete.
    let counts = lengths.map { Int32($0) }
    var joined = [UInt8](repeating: 0, count: lengths.reduce(0, +))
    try joined.withUnsafeMutableBufferPointer { joined throws(CollectiveError) in
      try bytes.withUnsafeBufferPointer { bytes throws(CollectiveError) in
        try starts.withUnsafeBufferPointer { starts throws(CollectiveError) in
          try counts.withUnsafeBufferPointer { counts throws(CollectiveError) in
            try meet("MPI_Iallgatherv") {
              MPI_Iallgatherv(
                bytes.baseAddress, Int32(bytes.count), lockstep_byte(), joined.baseAddress,
                counts.baseAddress, starts.baseAddress, lockstep_byte(), lockstep_comm_world(), $0)
            }
          }
        }
      }
    }
    return joined
  }

  /// The sums of every slot over the ranks, on every rank.
  ///
  /// Exact, and so the same for every number of ranks, where a slot has at most one rank that is
  /// not zero or all values are integers below 2^53; elsewhere the order of addition is MPI's own.
  package func sumAll(_ values: [Double]) throws(CollectiveError) -> [Double] {
    var sums = values
    guard size > 1 else { return sums }
    try sums.withUnsafeMutableBufferPointer { buffer throws(CollectiveError) in
      for piece in pieces(of: buffer.count) {
        try meet("MPI_Iallreduce") {
          MPI_Iallreduce(
            lockstep_in_place(), buffer.baseAddress?.advanced(by: piece.lowerBound),
            Int32(piece.count), lockstep_double(), lockstep_sum(), lockstep_comm_world(), $0)
        }
      }
    }
    return sums
  }

  /// 0..<count in order, in ranges of at most `longest`, else ``largestMessage``.
  func pieces(
    of count: Int, longest: Int? = nil
  ) -> some Sequence<Range<Int>> {
    let longest = longest ?? largestMessage
    return stride(from: 0, to: count, by: longest).lazy.map { $0..<min($0 + longest, count) }
  }

  func gatherLengths(_ length: Int) throws(CollectiveError) -> [Int] {
    var lengths = [Int64](repeating: 0, count: size)
    lengths[rank] = Int64(length)
    try lengths.withUnsafeMutableBufferPointer { buffer throws(CollectiveError) in
      try meet("MPI_Iallgather") {
        MPI_Iallgather(
          lockstep_in_place(), 1, lockstep_int64(), buffer.baseAddress, 1, lockstep_int64(),
          lockstep_comm_world(), $0)
      }
    }
    return lengths.map { Int($0) }
  }

  private func broadcastLength(_ length: Int, from root: Int) throws(CollectiveError) -> Int {
    var bytes = Int64(length)
    try withUnsafeMutableBytes(of: &bytes) { buffer throws(CollectiveError) in
      try broadcast(buffer, from: root)
    }
    return Int(bytes)
  }
}

/// Sums `buffer` over the ranks in place with one blocking MPI_Allreduce, in MPI's own order of
/// addition: what ``TreeAllReduce`` is compared with. No heartbeats while it waits.
///
/// - Parameters:
///   - buffer: [count] floats, overwritten with the sum.
package func allReduceWithMPI(
  _ communicator: Communicator, _ buffer: UnsafeMutablePointer<Float>, count: Int
) throws(CollectiveError) {
  guard communicator.size > 1 else { return }
  for piece in communicator.pieces(of: count) {
    try communicator.check(
      MPI_Allreduce(
        lockstep_in_place(), buffer + piece.lowerBound, Int32(piece.count), lockstep_float(),
        lockstep_sum(), lockstep_comm_world()),
      "MPI_Allreduce")
  }
}

extension Communicator {
  /// Every rank's numbers, on every rank, by rank; a collective call.
  package func gatherAll(_ numbers: [UInt64]) throws(CollectiveError) -> [[UInt64]] {
    let bytes = numbers.flatMap { number in
      (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
    return try gatherAll(bytes).map { bytes in
      stride(from: 0, to: bytes.count, by: 8).map { start in
        (0..<8).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * $1) }
      }
    }
  }
}
