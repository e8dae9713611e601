import Collectives
import Glibc

/// Each rank as the one that fails, then several, then none, then one inside a nested call.
func checkAgree(_ communicator: Communicator, _: [String]) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  for failer in 0..<size {
    try expectFailure(of: failer, communicator) { if rank == failer { throw ownError(rank) } }
    try expectFailure(of: failer, communicator) { if rank >= failer { throw ownError(rank) } }
    try expectFailure(of: failer, communicator) {
      try communicator.agree { if rank == failer { throw ownError(rank) } }
    }
  }
  let value = try communicator.agree { rank * 10 }
  try require(value == rank * 10, "agree returned \(value)")
}

private func ownError(_ rank: Int) -> CheckFailed {
  CheckFailed(description: "tensor missing on \(rank), naïvely", exitCode: Int32(100 + rank))
}

private func expectFailure(
  of failer: Int, _ communicator: Communicator, _ body: () throws -> Void
) throws {
  do {
    try communicator.agree(body)
  } catch let error as CheckFailed {
    try require(
      communicator.rank == failer && error == ownError(failer),
      "rank \(communicator.rank) threw \(error), but rank \(failer) failed first")
    return
  } catch let error as PeerFailed {
    let expected = PeerFailed(
      rank: failer, message: ownError(failer).description, exitCode: Int32(100 + failer))
    try require(
      communicator.rank != failer && error == expected, "expected \(expected), got \(error)")
    return
  }
  throw CheckFailed(description: "rank \(failer) failed and rank \(communicator.rank) went on")
}

/// Ends the job with the code of the rank that the argument names, as a bad input file would.
func failTogether(_ communicator: Communicator, _ arguments: [String]) throws {
  let failer = arguments.first.flatMap { Int($0) } ?? 0
  do {
    try communicator.agree {
      if communicator.rank == failer {
        throw CheckFailed(description: "train.tsv:17: expected 13 fields", exitCode: 65)
      }
    }
  } catch let error as CheckFailed {
    printError("rank \(communicator.rank): \(error)")
    communicator.finalize()
    exit(error.exitCode)
  }
}

/// The rank that the argument names ends the job with code 70 while the others wait for it.
func abortWhileOthersWait(_ communicator: Communicator, _ arguments: [String]) throws {
  if communicator.rank == arguments.first.flatMap({ Int($0) }) ?? 0 {
    communicator.abort(code: 70, message: "rank \(communicator.rank): the disk is gone")
  }
  _ = try communicator.sumAll([1])
}

/// Shows that a failing check on the last rank fails the run.
func failACheck(_ communicator: Communicator, _: [String]) throws {
  try require(communicator.rank != communicator.size - 1, "found wrong on purpose")
  try meet(communicator)
}

/// Shows that a rank that never comes fails the run.
func hang(_ communicator: Communicator, _: [String]) throws {
  if communicator.rank == 0 { while true { sleep(1) } }
  try meet(communicator)
}

/// Returns on no rank before all have called it.
func meet(_ communicator: Communicator) throws { _ = try communicator.sumAll([0]) }

/// A rank that waits a second for rank 0 uses little of its core.
func checkIdleWait(_ communicator: Communicator, _: [String]) throws {
  // Any rank may come last; nobody may leave before.
  for last in 0..<communicator.size {
    try meet(communicator)
    let start = wallSeconds()
    if communicator.rank == last { usleep(200_000) }
    try meet(communicator)
    let waited = wallSeconds() - start
    try require(waited > 0.15, "left after \(waited) s, before rank \(last) came")
  }
  let start = cpuSeconds()
  if communicator.rank == 0 { sleep(1) }
  try meet(communicator)
  let used = cpuSeconds() - start
  // Polling without a pause takes a second, or this rank's share of a busy machine.
  try require(used < 0.1, "waiting 1 s took \(used) s of processor time")
  let usedByRank = try communicator.sumAll(
    (0..<communicator.size).map { $0 == communicator.rank ? used : 0 })
  let most = usedByRank.max() ?? 0
  if communicator.rank == 0 { print("waiting 1 s took at most \(most) s of processor time") }
}

private func cpuSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func wallSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
