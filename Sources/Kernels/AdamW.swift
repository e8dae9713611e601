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

  package init(beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
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
    precondition(step >= 1, "AdamW's steps count from 1, not \(step)")
    let (beta1, beta2) = (AdamW.decimal(beta1), AdamW.decimal(beta2))
    let keep = Vector(repeating: Float(1 - learningRate * weightDecay))
    let rate = Vector(repeating: Float(learningRate / (1 - pow(beta1, Double(step)))))
    let correction = Vector(repeating: Float((1 - pow(beta2, Double(step))).squareRoot()))
    let (mix1, mix2) = (Vector(repeating: Float(1 - beta1)), Vector(repeating: Float(1 - beta2)))
    let (decay2, epsilon) = (Vector(repeating: self.beta2), Vector(repeating: self.epsilon))
    pool.run(over: count, grain: Reduction.grain) { range, _ in
      let (p, m, v) = (p + range.lowerBound, m + range.lowerBound, v + range.lowerBound)
      let g = g + range.lowerBound
      eachVector(range.count) { i, lanes in
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
  }

  /// The decimal that a float was written as: 0.999 rather than 0.99900001287. PyTorch keeps betas in
  /// double precision, and 1 - β2 would otherwise be off by 1e-5 of itself.
  private static func decimal(_ x: Float) -> Double { Double("\(x)") ?? Double(x) }
}
