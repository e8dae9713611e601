/// Times of the same work done again and again.
package struct Timings: Sendable {
  /// [repetitions] seconds, at least one, ascending.
  package let seconds: [Double]

  package init(_ seconds: [Double]) {
    precondition(!seconds.isEmpty, "no times of nothing")
    self.seconds = seconds.sorted()
  }

  /// Calls `body` until it has been called `repetitions` times and for `duration` together, and once
  /// before that untimed.
  package init(repetitions: Int, atLeast duration: Duration, _ body: () throws -> Void) rethrows {
    try body()
    var seconds: [Double] = []
    let start = ContinuousClock.now
    while seconds.count < repetitions || ContinuousClock.now - start < duration {
      seconds.append(try secondsOf(body))
    }
    self.init(seconds)
  }

  package var best: Double { seconds[0] }
  package var median: Double { percentile(50) }
  package var mean: Double { seconds.reduce(0, +) / Double(seconds.count) }

  /// The time that `share` per cent of the repetitions stay under, between two neighbours in
  /// proportion.
  package func percentile(_ share: Double) -> Double {
    let place = share / 100 * Double(seconds.count - 1)
    let below = Int(place)
    let above = min(below + 1, seconds.count - 1)
    return seconds[below] + (place - Double(below)) * (seconds[above] - seconds[below])
  }
}

/// The seconds that `body` takes.
package func secondsOf(_ body: () throws -> Void) rethrows -> Double {
  let start = ContinuousClock.now
  try body()
  return (ContinuousClock.now - start) / .seconds(1)
}
