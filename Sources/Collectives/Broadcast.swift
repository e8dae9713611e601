import COpenMPI

extension Communicator {
  /// Copies `buffer` from rank `root` into the same-sized buffer of every other rank; any size, in
  /// pieces of at most 2^30 bytes.
  package func broadcast(
    _ buffer: UnsafeMutableRawBufferPointer, from root: Int
  ) throws(CollectiveError) {
    guard size > 1 else { return }
    for piece in pieces(of: buffer.count) {
      try check(
        MPI_Bcast(
          buffer.baseAddress?.advanced(by: piece.lowerBound), Int32(piece.count), lockstep_byte(),
          Int32(root), lockstep_comm_world()),
        "MPI_Bcast")
    }
  }

  /// The bytes of rank `root`, on every rank; what the others pass is ignored, its length too.
  package func broadcast(_ bytes: [UInt8], from root: Int) throws(CollectiveError) -> [UInt8] {
    guard size > 1 else { return bytes }
    var length = Int64(bytes.count)
    try check(
      MPI_Bcast(&length, 1, lockstep_int64(), Int32(root), lockstep_comm_world()), "MPI_Bcast")
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
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
    var starts = [Int32](repeating: 0, count: size)
    for other in 1..<size { starts[other] = starts[other - 1] + Int32(lengths[other - 1]) }
    var joined = [UInt8](repeating: 0, count: total)
    if total > 0 {
      try check(
        MPI_Allgatherv(
          bytes, Int32(bytes.count), lockstep_byte(), &joined, lengths.map { Int32($0) }, starts,
          lockstep_byte(), lockstep_comm_world()),
        "MPI_Allgatherv")
    }
    return zip(starts, lengths).map { start, length in
      Array(joined[Int(start)..<Int(start) + length])
    }
  }

  /// The sums of every slot over the ranks, on every rank.
  ///
  /// Exact, and so the same for every number of ranks, where a slot has at most one rank that is
  /// not zero or all values are integers below 2^53; elsewhere the order of addition is MPI's own.
  package func sumAll(_ values: [Double]) throws(CollectiveError) -> [Double] {
    var sums = values
    guard size > 1 else { return sums }
    try sums.withUnsafeMutableBufferPointer { buffer throws(CollectiveError) in
      try sumWithMPI(buffer.baseAddress, count: buffer.count, lockstep_double())
    }
    return sums
  }

  /// MPI_Allreduce in place, in pieces that MPI can count.
  func sumWithMPI<Value>(
    _ base: UnsafeMutablePointer<Value>?, count: Int, _ type: MPI_Datatype?
  ) throws(CollectiveError) {
    for piece in pieces(of: count) {
      try check(
        MPI_Allreduce(
          lockstep_in_place(), base?.advanced(by: piece.lowerBound), Int32(piece.count), type,
          lockstep_sum(), lockstep_comm_world()),
        "MPI_Allreduce")
    }
  }

  /// 0..<count in order, in ranges of at most ``largestMessage``.
  private func pieces(of count: Int) -> some Sequence<Range<Int>> {
    let longest = largestMessage
    return stride(from: 0, to: count, by: longest).lazy.map { $0..<min($0 + longest, count) }
  }

  private func gatherLengths(_ length: Int) throws(CollectiveError) -> [Int] {
    var own = Int64(length)
    var lengths = [Int64](repeating: 0, count: size)
    try check(
      MPI_Allgather(
        &own, 1, lockstep_int64(), &lengths, 1, lockstep_int64(), lockstep_comm_world()),
      "MPI_Allgather")
    return lengths.map { Int($0) }
  }
}

/// Sums `buffer` over the ranks in place with one blocking MPI_Allreduce, in MPI's own order of
/// addition: what ``TreeAllReduce`` is compared with.
///
/// - Parameters:
///   - buffer: [count] floats, overwritten with the sum.
package func allReduceWithMPI(
  _ communicator: Communicator, _ buffer: UnsafeMutablePointer<Float>, count: Int
) throws(CollectiveError) {
  guard communicator.size > 1 else { return }
  try communicator.sumWithMPI(buffer, count: count, lockstep_float())
}
