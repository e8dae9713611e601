#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The last steps of AdamW, for parameters that had no gradient in them and are updated later.
///
/// Steps are numbered from 0 in the order of `append`, whatever the global step of the first is.
struct MissedSteps {
  struct Step {
    var factors: AdamW.Factors
    /// No later step moves a parameter that has no gradient by more than `growth` times what this
    /// one moves it, but for weight decay. Infinite where the parameter may lose half of itself by
    /// decay, so that no bound on the moves would say how many of its bits they reach.
    var growth: Float
  }

  /// How many steps there have been.
  private(set) var end = 0
  private let optimizer: AdamW
  private let capacity: Int
  private let steps: UnsafeMutablePointer<Step>
  /// The number of the first step that is kept.
  private var start = 0

  /// - Parameter capacity: At least so many of the last steps are kept. The memory is freed with
  ///   `deallocate()`.
  init(_ optimizer: AdamW, keeping capacity: Int) {
    self.optimizer = optimizer
    self.capacity = capacity
    // Twice, so that old steps leave rarely.
    steps = .allocate(capacity: 2 * capacity)
  }

  func deallocate() { steps.deallocate() }

  /// The step with a number and those after it, in order.
  func from(_ number: Int) -> UnsafeBufferPointer<Step> {
    precondition(number >= start && number <= end, "step \(number) is not kept")
    return UnsafeBufferPointer(start: steps + (number - start), count: end - number)
  }

  mutating func append(_ factors: AdamW.Factors) {
    if end - start == 2 * capacity {
      let dropped = capacity
      steps.update(from: steps + dropped, count: 2 * capacity - dropped)
      start += dropped
    }
    (steps + (end - start)).initialize(to: Step(factors: factors, growth: 0))
    end += 1
    updateGrowth()
  }

  /// Forgets all steps: nobody misses them.
  mutating func removeAll() { start = end }

  /// Without a gradient a step moves a parameter by d = rate * m / (√v / correction + ε), decay
  /// aside. A step later m is (1 - mix1) times as large and √v is √β2 times, so i steps later
  ///
  ///     d(i) <= d * (rate(i) * correction(i)) / (rate * correction) * ((1 - mix1) / √β2)^i
  ///
  /// with ε only making it smaller. The factor 1.0001 is more than the roundings of a step.
  private mutating func updateGrowth() {
    let decline =
      (1 - Double(optimizer.mix1)) / Double(optimizer.beta2).squareRoot() * 1.0001
    var (later, kept) = (0.0, 1.0)
    for index in stride(from: end - start - 1, through: 0, by: -1) {
      let factors = steps[index].factors
      let weight = Double(factors.rate) * Double(factors.correction)
      steps[index].growth =
        kept < 0.51 ? .infinity : later == 0 ? 0 : Float(later / weight)
      later = decline * max(weight, later)
      kept *= factors.keep <= 1 ? Double(factors.keep) : 0
    }
  }
}
