import Collectives
import Encoders
import Kernels

/// One rank's whole copy of the model: parameters, gradients, moments, and the arithmetic of a step.
///
/// V micro-batches a step; S sequences, L labels.
package final class Replica {
  /// Rows of a micro-batch and what is known about them.
  package struct LabelledBatch {
    package let batch: PackedBatch
    /// [S, L]
    package let labels: [Float]

    package init(batch: PackedBatch, labels: [Float]) {
      self.batch = batch
      self.labels = labels
    }
  }

  package let model: SequenceClassifier
  package let pool: ThreadPool
  package let parameters: Arena
  /// First and second moments of the gradient.
  package let expAvg: Arena
  package let expAvgSq: Arena
  private let activations: Activations
  /// Gradients by depth in this rank's part of the reduction tree; the first holds the sum.
  private var gradients: [Arena] = []
  private let optimizer = AdamW()

  package init(_ configuration: ModelConfiguration, threads: Int) {
    model = SequenceClassifier(configuration)
    pool = ThreadPool(threads: threads)
    let count = model.layout.count
    parameters = Arena(count: count)
    expAvg = Arena(count: count)
    expAvgSq = Arena(count: count)
    activations = Activations(configuration, isTraining: true, threads: threads)
    gradients = [Arena(count: count)]
  }

  /// What a checkpoint keeps of the replica.
  var savedArenas: [UnsafeRawBufferPointer] {
    [parameters, expAvg, expAvgSq].map {
      UnsafeRawBufferPointer(start: $0.base, count: $0.count * MemoryLayout<Float>.stride)
    }
  }

  /// This rank's gradient, then the world's: `layout.count` floats.
  package var gradient: MutableFloats { gradients[0].base }
  package var count: Int { model.layout.count }

  /// Tokens that go through the model together: beyond it, activations would take more memory than
  /// the time that larger products save is worth.
  private static let tokensTogether = 4096

  /// Sums the gradients of a complete subtree of micro-batches into `gradient`, in the tree's order.
  /// They go through the model together; a subtree of too many tokens in two halves, one after the
  /// other, with the same bits.
  ///
  /// - Parameters:
  ///   - tokens: The tokens of every micro-batch of the step.
  ///   - scale: What each element of the loss is multiplied by: 1 / (global rows x labels).
  ///   - step: Global step, from 1; keys dropout; nil for none.
  ///   - load: Gives the rows of some micro-batches, in the batch's parts.
  ///   - loss: Takes the loss sum of each micro-batch.
  ///   - progress: Called after every layer, forward and backward.
  package func computeGradient(
    ofParts parts: Range<Int>, tokens: [Int], scale: Float, dropout: DropoutStep?,
    load: (Range<Int>) throws -> LabelledBatch, loss: (Int, Double) -> Void,
    progress: () -> Void = {}, depth: Int = 0
  ) throws {
    if depth == gradients.count { gradients.append(Arena(count: count)) }
    guard parts.count > 1, tokens[parts].reduce(0, +) > Self.tokensTogether else {
      let sums = backpropagate(
        try load(parts), scale: scale, dropout: dropout, into: gradients[depth].base, progress)
      for (part, sum) in zip(parts, sums) { loss(part, sum) }
      return
    }
    let middle = parts.lowerBound + parts.count / 2
    try computeGradient(
      ofParts: parts.lowerBound..<middle, tokens: tokens, scale: scale, dropout: dropout,
      load: load, loss: loss, progress: progress, depth: depth)
    try computeGradient(
      ofParts: middle..<parts.upperBound, tokens: tokens, scale: scale, dropout: dropout,
      load: load, loss: loss, progress: progress, depth: depth + 1)
    Reduction.add(gradients[depth].base, gradients[depth + 1].base, count: count, pool)
  }

  /// Forward and backward of some micro-batches; `gradient` is overwritten.
  ///
  /// - Returns: The sum of the loss over the rows and labels of each.
  private func backpropagate(
    _ batch: LabelledBatch, scale: Float, dropout: DropoutStep?, into gradient: MutableFloats,
    _ progress: () -> Void
  ) -> [Double] {
    model.forward(
      batch.batch, parameters.base, activations, dropout: dropout, pool, progress: progress)
    let labelCount = model.configuration.labelNames.count
    let parts = batch.batch.sequenceParts
    let sums = batch.labels.withUnsafeBufferPointer { labels in
      (0..<parts.count).map { part -> Double in
        guard let labels = labels.baseAddress, !parts[part].isEmpty else { return 0 }
        let start = parts[part].lowerBound * labelCount
        return BCEWithLogits.forwardBackward(
          activations.logitsGradient + start, activations.logits + start, labels + start,
          count: parts[part].count * labelCount, scale: scale)
      }
    }
    model.backward(
      batch.batch, parameters.base, gradient, activations, dropout: dropout, pool,
      progress: progress)
    return sums
  }

  /// The Euclidean norm of all gradients together.
  package func gradientNorm() -> Double {
    Reduction.sumOfSquares(gradient, count: count, pool).squareRoot()
  }

  /// The first parameter whose gradient is not finite.
  package func firstNonFiniteGradient() -> String? {
    guard let index = Reduction.firstNonFinite(gradient, count: count) else { return nil }
    return model.layout.parameters.first { $0.range.contains(index) }?.name
  }

  /// One AdamW update with the gradient clipped to a norm, as torch.nn.utils.clip_grad_norm_ does.
  ///
  /// - Parameter step: Global step, from 1.
  package func update(
    step: Int, learningRate: Double, weightDecay: Double, gradientNorm: Double, maxNorm: Double
  ) {
    let clip = maxNorm > 0 ? min(1, maxNorm / (gradientNorm + 1e-6)) : 1
    for (range, decays) in model.layout.decayRuns {
      let start = range.lowerBound
      optimizer.update(
        parameters.base + start, expAvg.base + start, expAvgSq.base + start, gradient + start,
        count: range.count, step: step, learningRate: learningRate,
        weightDecay: decays ? weightDecay : 0, gradientScale: Float(clip), pool)
    }
  }
}
