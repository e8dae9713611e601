import Collectives
import Foundation

/// What the steps since the last timing record took. Steps alone count: evaluations and saves come
/// between them.
struct StepTiming {
  private(set) var steps = 0
  private var seconds = 0.0
  private var tokens = 0

  /// Steps from one record to the next, of a run of `total` steps: about a hundred records.
  static func interval(total: Int) -> Int { max(1, total / 100) }

  /// Notes a step.
  ///
  /// - Parameter tokens: Of all ranks.
  mutating func add(tokens: Int, seconds: Double) {
    steps += 1
    self.tokens += tokens
    self.seconds += seconds
  }

  /// The record of these steps, and begins anew; a collective call.
  mutating func record(
    step: Int, epoch: Double, _ phases: PhaseClock, _ communicator: Communicator
  ) throws(CollectiveError) -> TimingRecord {
    let names = PhaseTimes.Phase.allCases
    // Every slot has one rank, so the sums are exact.
    var slots = [Double](repeating: 0, count: communicator.size * names.count)
    for (index, phase) in names.enumerated() {
      slots[communicator.rank * names.count + index] = phases.times[phase]
    }
    let all = try communicator.sumAll(slots)
    func byRank(_ phase: PhaseTimes.Phase) -> [Double] {
      (0..<communicator.size).map { all[$0 * names.count + phase.rawValue] }
    }
    let record = TimingRecord(
      step: step, epoch: epoch, steps: steps, seconds: seconds, tokens: tokens,
      tokensPerSecond: Double(tokens) / max(seconds, 1e-9),
      phasesByRank: .init(
        data: byRank(.data), forward: byRank(.forward), backward: byRank(.backward),
        exchange: byRank(.exchange), optimizer: byRank(.optimizer)))
    phases.reset()
    self = StepTiming()
    return record
  }
}

/// How fast a run is now: recent steps count most, and evaluations between them do not.
package struct RecentSpeed: Sendable {
  private var steps = 0.0
  private var tokens = 0.0
  private var seconds = 0.0
  /// Seconds after which a step counts for 1/e.
  private static let memory = 10.0

  package init() {}

  package mutating func add(tokens: Int, seconds: Double) {
    let kept = exp(-seconds / Self.memory)
    steps = steps * kept + 1
    self.tokens = self.tokens * kept + Double(tokens)
    self.seconds = self.seconds * kept + seconds
  }

  package var stepsPerSecond: Double { steps / max(seconds, 1e-9) }
  package var tokensPerSecond: Double { tokens / max(seconds, 1e-9) }
}
