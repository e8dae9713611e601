import COpenMPI
import Glibc

extension Communicator {
  /// What is waited for, which decides how long a wait may sleep between polls.
  enum Wait {
    /// Large messages, which move on only in polls: short sleeps.
    case transfer
    /// A few bytes from ranks that may be busy for long: sleeps up to 5 ms.
    case meeting
  }

  /// How long a wait polls without pause: longer than ranks of one step differ by.
  private static let spinTime: UInt64 = 20_000_000
  private static let shortestPause: UInt64 = 100_000
  private static let longestPause: UInt64 = 5_000_000

  /// Waits until `count` MPI requests are complete.
  ///
  /// - Parameter call: the MPI call that made the requests, for messages.
  func wait(
    _ requests: UnsafeMutablePointer<MPI_Request?>, count: Int, for kind: Wait,
    _ call: @autoclosure () -> String
  ) throws(CollectiveError) {
    try wait(for: kind) { () throws(CollectiveError) in
      try isComplete(requests, count: count, call())
    }
  }

  /// Whether `count` MPI requests are complete, after a turn of MPI's progress.
  func isComplete(
    _ requests: UnsafeMutablePointer<MPI_Request?>, count: Int, _ call: @autoclosure () -> String
  ) throws(CollectiveError) -> Bool {
    var isDone: Int32 = 0
    let code = MPI_Testall(Int32(count), requests, &isDone, lockstep_statuses_ignore())
    if code != MPI_SUCCESS { try check(code, call()) }
    return isDone != 0
  }

  /// Polls until `isDone`, leaving the core to others after a while.
  ///
  /// MPI's own waits poll without pause, which takes the core from a rank 0 that is evaluating on
  /// the same node, and they never look up when a peer is gone. Here ``heartbeats`` go on, and there
  /// are pauses between polls: in a meeting a tenth of the time waited.
  func wait(
    for kind: Wait, until isDone: () throws(CollectiveError) -> Bool
  ) throws(CollectiveError) {
    let start = monotonicNanoseconds()
    var lastPoll = start
    while try !isDone() {
      heartbeats?.waited()
      let waited = monotonicNanoseconds() - start
      if waited < Self.spinTime {
        sched_yield()
      } else if kind == .transfer {
        pause(nanoseconds: Self.shortestPause)
      } else {
        pause(nanoseconds: min(max(waited / 10, Self.shortestPause), Self.longestPause))
      }
      if timeline != nil { lastPoll = monotonicNanoseconds() }
    }
    // What the last poll did was no wait.
    if let timeline, lastPoll > start {
      let kind: Timeline.Kind = kind == .transfer ? .waitForTransfer : .waitForRanks
      timeline.record(.init(kind: kind, start: start, end: lastPoll))
    }
  }

  /// Starts one nonblocking MPI call of a few bytes and waits for it.
  func meet(
    _ call: String, _ start: (UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(CollectiveError) {
    var request: MPI_Request? = lockstep_request_null()
    try check(start(&request), call)
    try wait(&request, count: 1, for: .meeting, call)
  }
}

func monotonicNanoseconds() -> UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

/// What one of this machine's clocks says.
func nanoseconds(of clock: clockid_t) -> UInt64 {
  var time = timespec()
  clock_gettime(clock, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func pause(nanoseconds: UInt64) {
  var interval = timespec(tv_sec: 0, tv_nsec: Int(nanoseconds))
  nanosleep(&interval, nil)
}
