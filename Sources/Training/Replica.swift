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

  /// - Parameter subtreeParts: The most micro-batches that this rank ever has in a step.
  package init(_ configuration: ModelConfiguration, threads: Int, subtreeParts: Int) {
    model = SequenceClassifier(configuration)
    pool = ThreadPool(threads: threads)
    let count = model.layout.count
    parameters = Arena(count: count)
    expAvg = Arena(count: count)
    expAvgSq = Arena(count: count)
    activations = Activations(configuration, isTraining: true, threads: threads)
    let depth = max(1, subtreeParts).bitWidth - max(1, subtreeParts).leadingZeroBitCount
    gradients = (0..<depth).map { _ in Arena(count: count) }
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

  /// Sums the gradients of a complete subtree of micro-batches into `gradient`, in the tree's order:
  /// each half alone, then the two halves.
  ///
  /// - Parameters:
  ///   - scale: What each element of the loss is multiplied by: 1 / (global rows x labels).
  ///   - step: Global step, from 1; keys dropout; nil for none.
  ///   - load: Gives a micro-batch by its index.
  ///   - loss: Takes the loss sum of each micro-batch.
  ///   - progress: Called after every layer, forward and backward.
  package func computeGradient(
    ofParts parts: Range<Int>, scale: Float, dropout: DropoutStep?,
    load: (Int) throws -> LabelledBatch, loss: (Int, Double) -> Void,
    progress: () -> Void = {}, depth: Int = 0
  ) throws {
    guard parts.count > 1 else {
      let part = try load(parts.lowerBound)
      let sum = backpropagate(
        part, scale: scale, dropout: dropout, into: gradients[depth].base, progress)
      loss(parts.lowerBound, sum)
      return
    }
    let middle = parts.lowerBound + parts.count / 2
    try computeGradient(
      ofParts: parts.lowerBound..<middle, scale: scale, dropout: dropout, load: load, loss: loss,
      progress: progress, depth: depth)
    try computeGradient(
      ofParts: middle..<parts.upperBound, scale: scale, dropout: dropout, load: load, loss: loss,
      progress: progress, depth: depth + 1)
    Reduction.add(gradients[depth].base, gradients[depth + 1].base, count: count, pool)
  }

  /// Forward and backward of one micro-batch; `gradient` is overwritten.
  ///
  /// - Returns: The sum of the loss over its rows and labels.
  private func backpropagate(
    _ part: LabelledBatch, scale: Float, dropout: DropoutStep?, into gradient: MutableFloats,
    _ progress: () -> Void
  ) -> Double {
    model.forward(
      part.batch, parameters.base, activations, dropout: dropout, pool, progress: progress)
    let loss = part.labels.withUnsafeBufferPointer { labels -> Double in
      guard let labels = labels.baseAddress else { return 0 }
      return BCEWithLogits.forwardBackward(
        activations.logitsGradient, activations.logits, labels, count: part.labels.count,
        scale: scale)
    }
    model.backward(
      part.batch, parameters.base, gradient, activations, dropout: dropout, pool,
      progress: progress)
    return loss
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
