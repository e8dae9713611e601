/// What a rank says of itself from time to time.
package struct RankSign: Sendable, Equatable {
  /// The global step that it is in, from 1; 0 before the first.
  package var step = 0
  /// What it does, such as `backward`.
  package var phase = "the start"
  /// Grows with every piece of work that the rank gets done, and stays while it waits for others.
  package var progress: UInt64 = 0
  /// Whether the rank was asked to stop.
  package var isStopRequested = false
  /// Whether the rank is about to end the job, and says why itself.
  package var isEndingJob = false

  package init() {}

  /// `backward of step 17`.
  package var place: String { step == 0 ? phase : "\(phase) of step \(step)" }
}

/// Decides from the ranks' signs whether one of them has stalled, or all of them together.
///
/// Time is counted between looks, at most ``longestGap`` of it at a time: a job that is stopped and
/// continued as a whole, or a laptop that sleeps, has then lost no time.
struct StallDetector {
  enum Verdict: Equatable {
    /// No sign of the rank for as long as the patience.
    case silent(rank: Int)
    /// Signs of all, but no progress of any.
    case standstill
  }

  /// Of which ranks signs are expected.
  let watched: [Int]
  /// Nanoseconds.
  let patience: UInt64
  private(set) var signs: [RankSign]
  private let longestGap: UInt64
  /// Nanoseconds of being watched.
  private var clock: UInt64 = 0
  private var lastLook: UInt64
  private var heardAt: [UInt64]
  private var progressedAt: UInt64 = 0

  /// - Parameters:
  ///   - ranks: how many there are.
  ///   - watched: those that are expected to send signs.
  ///   - now: nanoseconds of a monotonic clock.
  init(ranks: Int, watched: [Int], patience: UInt64, now: UInt64) {
    self.watched = watched
    self.patience = patience
    longestGap = max(patience / 8, 1_000_000)
    signs = Array(repeating: RankSign(), count: ranks)
    heardAt = Array(repeating: 0, count: ranks)
    lastLook = now
  }

  /// Lets time pass; to be called before the signs that came since the last look are heard.
  mutating func look(at now: UInt64) {
    clock += min(now - lastLook, longestGap)
    lastLook = now
  }

  /// Takes a rank's sign, this rank's own included.
  mutating func hear(_ sign: RankSign, from rank: Int) {
    if sign.progress != signs[rank].progress { progressedAt = clock }
    signs[rank] = sign
    heardAt[rank] = clock
  }

  /// - Parameter judgesProgress: whether the signs of all ranks come here.
  func verdict(judgesProgress: Bool) -> Verdict? {
    for rank in watched where clock - heardAt[rank] > patience { return .silent(rank: rank) }
    return judgesProgress && clock - progressedAt > patience ? .standstill : nil
  }
}
