import COpenBLAS

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Adam with decoupled weight decay (Loshchilov, Hutter, arXiv 1711.05101), in the order of
/// torch.optim.AdamW's operations.
package struct AdamW: Sendable {
  package let beta1: Float
  package let beta2: Float
  package let epsilon: Float
  /// 1 - β1 and 1 - β2: the shares of the newest gradient in the moments.
  let mix1: Float
  let mix2: Float

  package init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    mix1 = Float(1 - AdamW.decimal(beta1))
    mix2 = Float(1 - AdamW.decimal(beta2))
  }

  /// What a step multiplies with; the same for every parameter with one answer to weight decay.
  struct Factors {
    /// 1 - lr * weightDecay
    let keep: Float
    /// lr / (1 - β1^step)
    let rate: Float
    /// √(1 - β2^step)
    let correction: Float
  }

  /// - Parameter step: counts from 1.
  func factors(step: Int, learningRate: Double, weightDecay: Double) -> Factors {
    precondition(step >= 1, "AdamW's steps count from 1, not \(step)")
    let (beta1, beta2) = (AdamW.decimal(beta1), AdamW.decimal(beta2))
    return Factors(
      keep: Float(1 - learningRate * weightDecay),
      rate: Float(learningRate / (1 - pow(beta1, Double(step)))),
      correction: Float((1 - pow(beta2, Double(step))).squareRoot()))
  }

  /// One step on `count` parameters, in one pass over memory:
  ///
  ///     p -= lr * weightDecay * p
  ///     g  = gradientScale * g
  ///     m += (1 - β1) (g - m)
  ///     v  = β2 v + (1 - β2) g²
  ///     p -= lr / (1 - β1^step) * m / (√v / √(1 - β2^step) + ε)
  ///
  /// p, m and v are updated in place, g is left as it is.
  ///
  /// - Parameters:
  ///   - step: counts from 1.
  ///   - gradientScale: the factor of gradient clipping, or 1.
  package func update(
    _ p: MutableFloats, _ m: MutableFloats, _ v: MutableFloats, _ g: Floats, count: Int, step: Int,
    learningRate: Double, weightDecay: Double, gradientScale: Float, _ pool: ThreadPool
  ) {
    let factors = factors(step: step, learningRate: learningRate, weightDecay: weightDecay)
    pool.run(over: count, grain: Reduction.grain) { range, _ in
      let start = range.lowerBound
      update(
        p + start, m + start, v + start, g + start, count: range.count, factors,
        gradientScale: gradientScale)
    }
  }

  /// `update` on the calling thread.
  func update(
    _ p: MutableFloats, _ m: MutableFloats, _ v: MutableFloats, _ g: Floats, count: Int,
    _ factors: Factors, gradientScale: Float
  ) {
    let keep = Vector(repeating: factors.keep)
    let rate = Vector(repeating: factors.rate)
    let correction = Vector(repeating: factors.correction)
    let (mix1, mix2) = (Vector(repeating: mix1), Vector(repeating: mix2))
    let (decay2, epsilon) = (Vector(repeating: beta2), Vector(repeating: epsilon))
    eachVector(count) { i, lanes in
      let gradient = load(g, i, lanes) * gradientScale
      let oldMean = load(m, i, lanes)
      let mean = oldMean.adding(gradient - oldMean, times: mix1)
      let square = (load(v, i, lanes) * decay2).adding(gradient * mix2, times: gradient)
      let denominator = lockstep_square_root(square) / correction + epsilon
      store(mean, m, i, lanes)
      store(square, v, i, lanes)
      store(load(p, i, lanes) * keep - rate * mean / denominator, p, i, lanes)
    }
  }

  /// The decimal that a float was written as: 0.999 rather than 0.99900001287. PyTorch keeps betas in
  /// double precision, and 1 - β2 would otherwise be off by 1e-5 of itself.
  private static func decimal(_ x: Float) -> Double { Double("\(x)") ?? Double(x) }
}
