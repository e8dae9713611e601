// Checks of Collectives that need several ranks. Tests/RankTests runs them; by hand:
//
//     mpirun -n 4 --oversubscribe .build/release/rank-checks collectives
//
// Every rank runs the same check. One that finds something wrong prints it and ends the job with
// code 1; an error of Collectives itself ends it with 65.

import Collectives
import Glibc

let checks: [String: (Communicator, [String]) throws -> Void] = [
  "collectives": checkCollectives,
  "broadcast-gigabytes": checkBroadcastGigabytes,
  "tree-bits": checkTreeBits,
  "sharded-exchange": checkShardedExchange,
  "exchange-beside-sum": checkExchangeBesideSum,
  "golden": checkGolden,
  "refused-sharing": checkRefusedSharing,
  "unequal-arguments": checkUnequalArguments,
  "agree": checkAgree,
  "fail-together": failTogether,
  "abort": abortWhileOthersWait,
  "fail-a-check": failACheck,
  "hang": hang,
  "idle-wait": checkIdleWait,
  "fall-silent": fallSilent,
  "die": die,
  "stand-still": standStill,
  "work-long": checkLongWork,
  "ask-to-stop": checkStopRequest,
  "pass-on-stop": checkPassedOnStopRequest,
  "drift": checkDrift,
  "timeline": checkTimeline,
  "time-all-reduce": timeAllReduce,
  "time-step": timeStep,
]

func printError(_ message: String) {
  var line = message + "\n"
  _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard let name = arguments.first, let check = checks[name] else {
  printError("usage: rank-checks \(checks.keys.sorted().joined(separator: "|")) [ARGUMENT...]")
  exit(64)
}
let communicator: Communicator
do {
  communicator = try Communicator { ($0 as? CheckFailed)?.exitCode ?? 65 }
} catch {
  printError("\(error)")
  exit(65)
}
do {
  try check(communicator, Array(arguments.dropFirst()))
} catch let error as PeerFailed {
  communicator.finalize()
  exit(error.exitCode)
} catch let error as CheckFailed {
  // By itself on this rank: the others may be waiting.
  communicator.abort(code: error.exitCode, message: "rank \(communicator.rank): \(error)")
} catch {
  communicator.abort(code: 65, message: "rank \(communicator.rank): \(error)")
}
if communicator.rank == 0 { print("checked \(name) on \(communicator.size) ranks") }
communicator.finalize()
