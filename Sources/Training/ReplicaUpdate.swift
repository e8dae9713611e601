import Kernels

// The update: AdamW with the gradient clipped to a norm, as torch.nn.utils.clip_grad_norm_ does.
extension Replica {
  /// Updates everything from gradients that this rank has the sum of.
  ///
  /// - Parameters:
  ///   - step: Global step, from 1.
  ///   - gradientNorm: Of all gradients together.
  package func update(
    step: Int, learningRate: Double, weightDecay: Double, gradientNorm: Double, maxNorm: Double
  ) {
    let step = UpdateStep(
      number: step, learningRate: learningRate, weightDecay: weightDecay,
      gradientNorm: gradientNorm, maxNorm: maxNorm)
    update(0..<model.layout.dense.count, step)
    updateWords(step)
  }

  /// Updates some of the dense parameters.
  package func update(_ range: Range<Int>, _ step: UpdateStep) {
    let first = model.layout.dense.lowerBound
    let inLayout = first + range.lowerBound..<first + range.upperBound
    for run in updateRuns where run.range.overlaps(inLayout) {
      let part = run.range.clamped(to: inLayout)
      let start = part.lowerBound
      optimizer.update(
        weights.base + start, means.base + start, squares.base + start, gradient + (start - first),
        count: part.count, step: step.number,
        learningRate: step.learningRate * run.learningRateScale,
        weightDecay: run.decays ? step.weightDecay : 0, gradientScale: step.gradientScale, pool)
    }
  }

  /// Updates the word embeddings; every rank does all of them.
  package func updateWords(_ step: UpdateStep) { words.update(step, pool) }
}

/// What an update needs to know beside the gradient.
package struct UpdateStep: Sendable {
  /// Global step, from 1.
  package let number: Int
  package let learningRate: Double
  package let weightDecay: Double
  /// The factor of clipping, or 1.
  package let gradientScale: Float

  /// - Parameter maxNorm: What the gradient is clipped to; 0 for no clipping.
  package init(
    number: Int, learningRate: Double, weightDecay: Double, gradientNorm: Double, maxNorm: Double
  ) {
    self.number = number
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    gradientScale = Float(maxNorm > 0 ? min(1, maxNorm / (gradientNorm + 1e-6)) : 1)
  }
}
