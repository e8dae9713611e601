import COpenMPI
import Glibc

extension Communicator {
  /// Waits until every rank has come here, leaving the core to others meanwhile.
  ///
  /// MPI's own barrier polls without pause, which takes the core from a rank 0 that is still
  /// evaluating on the same node. The pause between polls grows with the time waited, from 0.1 ms
  /// to 5 ms, so a short wait ends at once and a long one costs nothing.
  package func idleBarrier() throws(CollectiveError) {
    guard size > 1 else { return }
    var request = lockstep_request_null()
    try check(MPI_Ibarrier(lockstep_comm_world(), &request), "MPI_Ibarrier")
    let shortest: UInt64 = 100_000
    let longest: UInt64 = 5_000_000
    let start = Self.monotonicNanoseconds()
    while true {
      var isDone: Int32 = 0
      try check(MPI_Test(&request, &isDone, lockstep_status_ignore()), "MPI_Test")
      if isDone != 0 { return }
      let waited = Self.monotonicNanoseconds() - start
      let pause = min(max(waited / 10, shortest), longest)
      var interval = timespec(tv_sec: 0, tv_nsec: Int(pause))
      nanosleep(&interval, nil)
    }
  }

  private static func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
