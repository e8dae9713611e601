import COpenMPI

/// Small integers of all ranks, gathered on all of them while they do something else.
package final class NumberGather {
  private let communicator: Communicator
  /// [total] The ranks' numbers, one after the other.
  private var numbers: UnsafeMutableBufferPointer<Int32>
  private var total = 0
  /// [R] What MPI reads until the call is complete.
  private let counts: UnsafeMutablePointer<Int32>
  private let starts: UnsafeMutablePointer<Int32>
  private let request: UnsafeMutablePointer<MPI_Request?>

  package init(_ communicator: Communicator) {
    self.communicator = communicator
    numbers = .allocate(capacity: 0)
    counts = .allocate(capacity: communicator.size)
    starts = .allocate(capacity: communicator.size)
    request = .allocate(capacity: 1)
    request.initialize(to: lockstep_request_null())
  }

  /// - Precondition: Nothing that was started is left to be finished.
  deinit {
    numbers.deallocate()
    counts.deallocate()
    starts.deallocate()
    request.deallocate()
  }

  /// Begins to gather; a collective call. One at a time.
  ///
  /// - Parameters:
  ///   - own: This rank's numbers.
  ///   - counts: [R] How many each rank has, the same on every rank: together below 2^31.
  /// - Throws: when MPI fails, or this rank has another count than announced.
  package func start(
    _ own: UnsafeBufferPointer<Int32>, counts: [Int]
  ) throws(CollectiveError) {
    let rank = communicator.rank
    guard counts.count == communicator.size, counts[rank] == own.count else {
      throw CollectiveError(
        place: "rank \(rank) on \(communicator.host)",
        expected: "numbers as announced: \(counts)", found: "\(own.count) on this rank",
        remedy: "check that all ranks read the same shards")
    }
    total = counts.reduce(0, +)
    if numbers.count < total {
      numbers.deallocate()
      numbers = .allocate(capacity: total + total / 4)
    }
    var start = 0
    for (rank, count) in counts.enumerated() {
      self.counts[rank] = Int32(count)
      starts[rank] = Int32(start)
      start += count
    }
    for (index, number) in own.enumerated() {
      numbers.initializeElement(at: Int(starts[rank]) + index, to: number)
    }
    guard communicator.size > 1, total > 0 else { return }
    try communicator.check(
      MPI_Iallgatherv(
        lockstep_in_place(), 0, lockstep_int32(), numbers.baseAddress, self.counts, starts,
        lockstep_int32(), lockstep_comm_world(), request),
      "MPI_Iallgatherv")
  }

  /// Waits for the numbers.
  ///
  /// - Returns: [Σ counts] by rank, good until the next `start`.
  package func finish() throws(CollectiveError) -> UnsafeBufferPointer<Int32> {
    // A job of one rank may have no MPI to ask.
    if communicator.size > 1 {
      try communicator.wait(request, count: 1, for: .meeting, "MPI_Iallgatherv")
    }
    return UnsafeBufferPointer(rebasing: UnsafeBufferPointer(numbers)[..<total])
  }
}
