/// Where a rank's time in its steps goes.
package struct PhaseTimes: Sendable, Equatable {
  package enum Phase: Int, Sendable, CaseIterable {
    /// Cutting the batch and reading rows.
    case data
    case forward
    /// With the sum over the rank's own micro-batches.
    case backward
    /// Gradients, their norm, losses and requests to stop, the wait for slower ranks included.
    case exchange
    /// Clipping, the update, words' missed steps, and the way of the parameters to all ranks.
    case optimizer
  }

  /// [phases] seconds.
  private var seconds = [Double](repeating: 0, count: Phase.allCases.count)

  package subscript(phase: Phase) -> Double {
    get { seconds[phase.rawValue] }
    set { seconds[phase.rawValue] = newValue }
  }
}

/// Gives the time since it was last asked to the phase that has just ended.
package final class PhaseClock {
  /// Since ``reset()``.
  package private(set) var times = PhaseTimes()
  private var last = ContinuousClock.now

  package func reset() { times = PhaseTimes() }

  /// A step begins: what was before it belongs to no phase.
  func start() { last = .now }

  func end(_ phase: PhaseTimes.Phase) {
    let now = ContinuousClock.now
    times[phase] += (now - last).seconds
    last = now
  }
}
