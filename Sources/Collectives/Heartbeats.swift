import COpenMPI
import Glibc

/// Signs of life between ranks, so that one that dies or stalls ends the job with its name instead
/// of leaving the others in a wait that never ends.
///
/// Every rank tells rank 0 what it is doing, and rank 0 tells everyone: small messages over a
/// communicator of their own, sent by the main thread whenever it has got something done or polls in
/// a wait, but not more often than every ``interval``. So a rank whose main thread hangs, whose
/// process is stopped, or whose node is gone falls silent, however long its phase may rightly be.
/// Rank 0 ends the job when another rank is silent for too long; the others do when rank 0 is.
///
/// Ranks that share a node also look at each other's process now and then: one that was killed is
/// noticed at once, before mpirun ends the rest.
package final class Heartbeats {
  /// The end of a job that a rank's silence brings.
  private static let exitCode: Int32 = 70

  private unowned let communicator: Communicator
  private let channel: SignChannel
  private let neighbours: NeighbourProcesses
  private let hosts: [String]
  private let isStopRequested: () -> Bool
  private var detector: StallDetector?
  private var own = RankSign()
  /// Nanoseconds between two signs.
  private let interval: UInt64
  /// Between two looks at what came and at the neighbours: mpirun ends the other ranks a second after
  /// one was killed.
  private static let lookInterval: UInt64 = 150_000_000
  private var nextSign: UInt64 = 0
  private var nextLook: UInt64 = 0
  private var hasSentStopRequest = false
  private var asksToStop = false

  /// A collective call; `patience` must be the same on every rank.
  ///
  /// - Parameters:
  ///   - patience: how long a rank may be silent; nil for ever.
  ///   - isStopRequested: whether this rank was asked to stop, which the signs carry.
  init(
    _ communicator: Communicator, patience: Duration?, isStopRequested: @escaping () -> Bool
  ) throws(CollectiveError) {
    self.communicator = communicator
    self.isStopRequested = isStopRequested
    hosts = try communicator.gatherAll(Array(communicator.host.utf8)).map {
      String(decoding: $0, as: UTF8.self)
    }
    neighbours = try NeighbourProcesses(communicator, hosts: hosts)
    channel = try SignChannel(communicator)
    let seconds = patience.map { $0 / .seconds(1) }
    // A quarter of the time is left for a sign under way, for ending the job, and for rank 1 to
    // speak before others that miss rank 0 as well.
    let share = communicator.rank <= 1 ? 0.75 : 0.85
    interval = UInt64(min(max((seconds ?? 60) / 16, 0.05), 0.5) * 1e9)
    detector = seconds.map {
      StallDetector(
        ranks: communicator.size, watched: channel.peers, patience: UInt64($0 * share * 1e9),
        now: monotonicNanoseconds())
    }
  }

  /// Whether any rank whose signs come here was asked to stop: on rank 0 that is any rank at all.
  package var isStopRequestedAnywhere: Bool {
    own.isStopRequested || channel.latest.values.contains { $0.isStopRequested }
  }

  /// Lets this rank's signs ask to stop from now on, whatever made it want to. On rank 0, which hears
  /// and is heard by all, that passes on what another rank has asked for.
  package func askToStop() { asksToStop = true }

  /// What this rank does from now on.
  func enter(_ phase: String, step: Int) {
    own.phase = phase
    own.step = step
    worked()
  }

  /// Notes that this rank got something done.
  func worked() {
    own.progress += 1
    lookAround()
  }

  /// To be called while this rank waits for others.
  func waited() { lookAround() }

  /// Tells the ranks that hear this one that it ends the job, lest they report its death.
  func announceEnd() {
    own.isEndingJob = true
    channel.send(own)
  }

  private func lookAround() {
    let now = monotonicNanoseconds()
    own.isStopRequested = asksToStop || isStopRequested()
    let isNews = own.isStopRequested && !hasSentStopRequest
    if now >= nextSign || isNews {
      nextSign = now + interval
      hasSentStopRequest = own.isStopRequested
      channel.send(own)
    }
    guard now >= nextLook else { return }
    nextLook = now + Self.lookInterval
    detector?.look(at: now)
    for (rank, sign) in channel.receive() { detector?.hear(sign, from: rank) }
    detector?.hear(own, from: communicator.rank)
    if let gone = neighbours.firstGone() { end(gone: gone) }
    if let verdict = detector?.verdict(judgesProgress: communicator.rank == 0) { end(verdict) }
  }

  private func end(gone rank: Int) -> Never {
    if channel.latest.values.contains(where: \.isEndingJob) {
      // That rank has said why, and the launcher is about to end this one.
      sleep(5)
      _exit(Self.exitCode)
    }
    end(
      "rank \(rank) on \(hosts[rank]): expected a running process, found it gone"
        + lastSign(of: rank))
  }

  private func end(_ verdict: StallDetector.Verdict) -> Never {
    let patience = Int((Double(detector?.patience ?? 0) / 1e9).rounded())
    switch verdict {
    case .silent(let rank):
      // Perhaps its node is gone, and mpirun will wait for it.
      endLauncher(afterSeconds: 5)
      end(
        "rank \(rank) on \(hosts[rank]): expected a sign of life, found none for \(patience) s"
          + lastSign(of: rank))
    case .standstill:
      let places = (0..<communicator.size).map { rank in
        "rank \(rank) on \(hosts[rank]) in \(sign(of: rank).place)"
      }
      end(
        "all ranks: expected progress, found none for \(patience) s: "
          + places.joined(separator: ", "))
    }
  }

  private func sign(of rank: Int) -> RankSign {
    rank == communicator.rank ? own : channel.latest[rank] ?? RankSign()
  }

  /// Where the rank was last, or where this one is when the rank's signs go elsewhere.
  private func lastSign(of rank: Int) -> String {
    guard let last = channel.latest[rank] else {
      return "; rank \(communicator.rank) was in \(own.place)"
    }
    return "; it was last heard of in \(last.place)"
  }

  private func end(_ finding: String) -> Never {
    communicator.abort(
      code: Self.exitCode,
      message: "lockstep: error: \(finding); the newest checkpoint is whole: "
        + "look at that rank's node, then run the same command again")
  }

  /// Takes what is still under way and frees the communicator; a collective call.
  func close() {
    // A failure here is no reason to fail a job that is over.
    try? communicator.meet("MPI_Ibarrier") {
      MPI_Ibarrier(lockstep_comm_world(), $0)
    }
    channel.close()
  }
}
