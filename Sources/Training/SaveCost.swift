/// What saves cost the training that goes on beside them, measured on rank 0.
///
/// The time that a save adds is the time outside of steps for which training waited, and what the
/// steps beside the save took longer than steps without one take for as many tokens.
struct SaveCost {
  /// Of steps without a save beside them; halved now and then, so that recent ones count more.
  private var quiet = Pace()
  private var beside = Pace()
  private var waited = Duration.zero
  private var slowestStep = Duration.zero
  private var slowestSave: Duration

  private struct Pace {
    var tokens = 0.0
    var seconds = 0.0
    var steps = 0
  }

  /// - Parameter bytes: of a checkpoint. Before the first save it is taken to be written at 50 MB/s.
  init(bytes: Int) { slowestSave = .seconds(Double(bytes) / 50e6) }

  mutating func stepped(tokens: Int, _ duration: Duration, isSaving: Bool) {
    slowestStep = max(slowestStep, duration)
    func add(to pace: inout Pace) {
      pace.tokens += Double(tokens)
      pace.seconds += duration.seconds
      pace.steps += 1
    }
    if isSaving { add(to: &beside) } else { add(to: &quiet) }
    if quiet.steps == 64 {
      quiet = Pace(tokens: quiet.tokens / 2, seconds: quiet.seconds / 2, steps: 32)
    }
  }

  /// Notes that training waited for a save outside of a step.
  mutating func blocked(_ duration: Duration) { waited += duration }

  /// Takes stock of the save that has ended.
  ///
  /// - Returns: The seconds that it added; nil where there was no step without a save to compare with.
  mutating func endSave(after duration: Duration) -> Double? {
    defer { (beside, waited) = (Pace(), .zero) }
    slowestSave = max(slowestSave, duration)
    guard beside.steps > 0 else { return waited.seconds }
    guard quiet.tokens > 0 else { return nil }
    return waited.seconds + beside.seconds - beside.tokens * quiet.seconds / quiet.tokens
  }

  /// The time that a step and a save take, generously: twice the slowest, and 10 s for the start of
  /// both and the end of the job.
  var reserve: Duration { slowestStep * 2 + slowestSave * 2 + .seconds(10) }
}
