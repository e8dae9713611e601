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
  private let weights: Arena
  private let means: Arena
  private let squares: Arena
  private let words: WordRows
  private let activations: Activations
  /// Dense gradients by depth in this rank's part of the reduction tree; the first holds the sum, and
  /// has room for the word rows behind it.
  private var gradients: [Arena] = []
  private let optimizer = AdamW()
  package let phases = PhaseClock()

  package init(_ configuration: ModelConfiguration, threads: Int) {
    model = SequenceClassifier(configuration)
    pool = ThreadPool(threads: threads)
    let layout = model.layout
    weights = Arena(count: layout.count)
    means = Arena(count: layout.count)
    squares = Arena(count: layout.count)
    words = WordRows(optimizer, layout, weights, means, squares)
    activations = Activations(configuration, isTraining: true, threads: threads)
    gradients = [Arena(count: layout.dense.count)]
  }

  /// Floats of the model.
  package var count: Int { model.layout.count }

  // Whoever looks at a whole arena sees what a dense update of all rows would have left.

  /// [layout.count], all rows up to date: that takes time, where words have missed steps.
  package var parameters: Arena { upToDate(weights) }
  /// [layout.count] First moments of the gradient, likewise.
  package var expAvg: Arena { upToDate(means) }
  /// [layout.count] Second moments of the gradient, likewise.
  package var expAvgSq: Arena { upToDate(squares) }

  /// What a checkpoint keeps of the replica.
  var savedArenas: [UnsafeRawBufferPointer] {
    [parameters, expAvg, expAvgSq].map {
      UnsafeRawBufferPointer(start: $0.base, count: $0.count * MemoryLayout<Float>.stride)
    }
  }

  private func upToDate(_ arena: Arena) -> Arena {
    words.bringUpToDate(pool)
    return arena
  }
}

// The gradient.
extension Replica {
  /// This rank's gradient, then the world's: that of `layout.dense`, and behind it a row for each of
  /// `touchedWords`. It may move in `sumWordRows`.
  package var gradient: MutableFloats { gradients[0].base }
  /// Floats of `gradient`.
  package var gradientCount: Int { model.layout.dense.count + words.gradientCount }
  /// [U] The words of the global batch in rising order.
  package var touchedWords: UnsafeBufferPointer<Int32> { words.rows }

  /// Tokens that go through the model together: beyond it, activations would take more memory than
  /// the time that larger products save is worth.
  private static let tokensTogether = 4096

  /// How many neighbouring micro-batches a batch should have: a power of two.
  ///
  /// - Parameter tokens: Of each of this rank's micro-batches; a power of two of them.
  package static func partsTogether(tokens: [Int]) -> Int {
    var size = tokens.count
    while size > 1,
      stride(from: 0, to: tokens.count, by: size).contains(where: { start in
        tokens[start..<start + size].reduce(0, +) > tokensTogether
      })
    {
      size /= 2
    }
    return size
  }

  /// Takes this rank's rows of a step.
  ///
  /// - Parameter batches: A complete subtree of micro-batches, in order, as many in each batch.
  /// - Returns: The ids of all their tokens.
  package func begin(_ batches: [LabelledBatch]) -> [Int32] {
    words.begin(batches.map(\.batch), pool)
    return words.ids
  }

  /// Sums the dense gradients of this rank's micro-batches into `gradient`, in the tree's order: those of
  /// a batch together, then half by half, with the same bits.
  ///
  /// - Parameters:
  ///   - batches: Those that `begin` was given.
  ///   - scale: What each element of the loss is multiplied by: 1 / (global rows x labels).
  ///   - dropout: nil for none.
  ///   - progress: Called after every layer, forward and backward.
  /// - Returns: The loss sum of each micro-batch.
  package func computeGradient(
    of batches: [LabelledBatch], scale: Float, dropout: DropoutStep?, progress: () -> Void = {}
  ) -> [Double] {
    computeGradient(ofBatches: batches.indices, depth: 0) { index, gradient in
      backpropagate(
        batches[index], index, scale: scale, dropout: dropout, into: gradient, progress)
    }
  }

  private func computeGradient(
    ofBatches range: Range<Int>, depth: Int, _ compute: (Int, MutableFloats) -> [Double]
  ) -> [Double] {
    if depth == gradients.count { gradients.append(Arena(count: model.layout.dense.count)) }
    guard range.count > 1 else { return compute(range.lowerBound, gradients[depth].base) }
    let middle = range.lowerBound + range.count / 2
    let losses =
      computeGradient(ofBatches: range.lowerBound..<middle, depth: depth, compute)
      + computeGradient(ofBatches: middle..<range.upperBound, depth: depth + 1, compute)
    Reduction.add(
      gradients[depth].base, gradients[depth + 1].base, count: model.layout.dense.count, pool)
    phases.end(.backward)
    return losses
  }

  /// Forward and backward of a batch; `gradient` is overwritten.
  ///
  /// - Returns: The sum of the loss over the rows and labels of each of its micro-batches.
  private func backpropagate(
    _ labelled: LabelledBatch, _ index: Int, scale: Float, dropout: DropoutStep?,
    into gradient: MutableFloats, _ progress: () -> Void
  ) -> [Double] {
    model.forward(
      labelled.batch, weights.base, activations, dropout: dropout, pool, progress: progress)
    let losses = lossAndGradient(labelled, scale: scale)
    phases.end(.forward)
    let tokenGradient = model.backward(
      labelled.batch, weights.base, gradient, activations, dropout: dropout, pool,
      progress: progress)
    words.keep(tokenGradient, ofBatch: index)
    phases.end(.backward)
    return losses
  }

  /// The loss sum of each micro-batch; leaves the gradient at the logits.
  private func lossAndGradient(_ labelled: LabelledBatch, scale: Float) -> [Double] {
    let width = model.configuration.labelNames.count
    let parts = labelled.batch.sequenceParts
    return labelled.labels.withUnsafeBufferPointer { labels in
      (0..<parts.count).map { part in
        guard let labels = labels.baseAddress, !parts[part].isEmpty else { return 0 }
        let start = parts[part].lowerBound * width
        return BCEWithLogits.forwardBackward(
          activations.logitsGradient + start, activations.logits + start, labels + start,
          count: parts[part].count * width, scale: scale)
      }
    }
  }

  /// Puts this rank's gradient of the global batch's words behind the dense one: +0 for words that
  /// only other ranks have.
  ///
  /// - Parameter ids: Of the tokens of all ranks, in any order.
  package func sumWordRows(touchedBy ids: UnsafeBufferPointer<Int32>) {
    words.touch(ids)
    if gradients[0].count < gradientCount {
      let grown = Arena(count: gradientCount + words.gradientCount / 4)
      grown.base.update(from: gradient, count: model.layout.dense.count)
      gradients[0] = grown
    }
    words.sum(into: gradient + model.layout.dense.count, pool)
  }

  /// The Euclidean norm of all gradients together.
  package func gradientNorm() -> Double {
    Reduction.sumOfSquares(gradient, count: gradientCount, pool).squareRoot()
  }

  /// The first parameter whose gradient is not finite.
  package func firstNonFiniteGradient() -> String? {
    guard let index = Reduction.firstNonFinite(gradient, count: gradientCount) else { return nil }
    let layout = model.layout
    guard index < layout.dense.count else { return layout.wordTable.name }
    return layout.parameters.first { $0.range.contains(layout.dense.lowerBound + index) }?.name
  }
}

// The update.
extension Replica {
  /// One AdamW update of everything with the gradient clipped to a norm, as
  /// torch.nn.utils.clip_grad_norm_ does.
  ///
  /// - Parameter step: Global step, from 1.
  package func update(
    step: Int, learningRate: Double, weightDecay: Double, gradientNorm: Double, maxNorm: Double
  ) {
    let step = UpdateStep(
      number: step, learningRate: learningRate, weightDecay: weightDecay,
      gradientNorm: gradientNorm, maxNorm: maxNorm)
    update(model.layout.dense, step)
    updateWords(step)
  }

  /// Updates some of the dense parameters.
  ///
  /// - Parameter range: Floats of the layout, inside `layout.dense`.
  package func update(_ range: Range<Int>, _ step: UpdateStep) {
    let dense = model.layout.dense
    precondition(range.clamped(to: dense) == range, "words are updated by row")
    for (range, decays) in model.layout.decayRuns(in: range) {
      let start = range.lowerBound
      optimizer.update(
        weights.base + start, means.base + start, squares.base + start,
        gradient + (start - dense.lowerBound), count: range.count, step: step.number,
        learningRate: step.learningRate, weightDecay: decays ? step.weightDecay : 0,
        gradientScale: step.gradientScale, pool)
    }
  }

  /// Updates the word embeddings; every rank does all of them.
  package func updateWords(_ step: UpdateStep) {
    words.update(Floats(gradient) + model.layout.dense.count, step, pool)
  }
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
