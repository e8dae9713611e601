import Collectives

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

/// Gives the time since it was last asked to the phase that has just ended: the phases of a step are
/// all of it, from ``start()`` to ``finish(step:)``.
package final class PhaseClock {
  /// Since ``reset()``.
  package private(set) var times = PhaseTimes()
  /// Where steps and phases are recorded, if anywhere.
  var timeline: Timeline?
  private var begin = Timeline.now
  private var last = Timeline.now

  package func reset() { times = PhaseTimes() }

  /// A step begins: what was before it belongs to no phase.
  func start() {
    begin = Timeline.now
    last = begin
  }

  func end(_ phase: PhaseTimes.Phase) {
    let now = Timeline.now
    times[phase] += Double(now - last) / 1e9
    timeline?.record(.init(kind: phase.kind, start: last, end: now))
    last = now
  }

  /// The last phase of a step has ended, and with it the step.
  func finish(step: Int) {
    guard let timeline else { return }
    var span = Timeline.Span(kind: .step, start: begin, end: last)
    span.number = Int32(step)
    timeline.record(span)
  }
}

extension PhaseTimes.Phase {
  fileprivate var kind: Timeline.Kind {
    switch self {
    case .data: .data
    case .forward: .forward
    case .backward: .backward
    case .exchange: .exchange
    case .optimizer: .optimizer
    }
  }
}
