import Encoders
import Kernels

// The gradient of a step, and its norm.
extension Replica {
  /// Rows of a micro-batch, or several, and what is known about them.
  package struct LabelledBatch {
    package let batch: PackedBatch
    package let targets: Targets

    package init(batch: PackedBatch, targets: Targets) {
      self.batch = batch
      self.targets = targets
    }
  }

  /// [layout.dense.count] This rank's gradient of the dense parameters; the exchange makes of it the
  /// world's, where this rank owns it.
  package var gradient: MutableFloats { gradients[0].base }
  /// [U] The words of the global batch in rising order.
  package var touchedWords: UnsafeBufferPointer<Int32> { words.rows }
  /// Whether there are words with gradients of their own.
  package var hasWords: Bool { words.areTrained }
  /// [U, H] This rank's gradient of these, then the world's.
  package var wordGradient: UnsafeMutableBufferPointer<Float> { words.gradient }

  /// Tokens that go through the model together: beyond it, activations would take more memory than
  /// the time that larger products save is worth.
  static let tokensTogether = 4096

  /// How many neighbouring micro-batches a batch should have: a power of two.
  ///
  /// - Parameter tokens: Of each of this rank's micro-batches; a power of two of them.
  package func partsTogether(tokens: [Int]) -> Int {
    guard model.sumsPartsTogether else { return 1 }
    var size = tokens.count
    while size > 1,
      stride(from: 0, to: tokens.count, by: size).contains(where: { start in
        tokens[start..<start + size].reduce(0, +) > Self.tokensTogether
      })
    {
      size /= 2
    }
    return size
  }

  /// Takes this rank's rows of a step.
  ///
  /// - Parameter batches: A complete subtree of micro-batches, in order, as many in each batch.
  /// - Returns: The ids of all their tokens; none without words.
  package func begin(_ batches: [LabelledBatch]) -> [Int32] {
    words.begin(batches.map(\.batch), pool)
    return words.ids
  }

  /// Sums the dense gradients of this rank's micro-batches into `gradient`, in the tree's order: those of
  /// a batch together, then half by half, with the same bits.
  ///
  /// - Parameters:
  ///   - batches: Those that `begin` was given.
  ///   - counts: Of the global batch: what sums of the loss are divided by.
  ///   - dropout: nil for none.
  ///   - progress: Called after every layer, forward and backward, with the index from which to its end
  ///     `gradient` is complete.
  /// - Returns: What each micro-batch adds to the mean loss.
  package func computeGradient(
    of batches: [LabelledBatch], counts: LossCounts, dropout: DropoutStep?,
    progress: (_ completeFrom: Int) -> Void = { _ in }
  ) -> [Double] {
    let isOne = batches.count == 1
    let end = model.layout.dense.count
    return computeGradient(ofBatches: batches.indices, depth: 0) { index, gradient in
      backpropagate(batches[index], index, counts, dropout: dropout, into: gradient) {
        // Of several batches only the sum is a gradient.
        progress(isOne ? $0 : end)
      }
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
  /// - Returns: What each of its micro-batches adds to the mean loss.
  private func backpropagate(
    _ labelled: LabelledBatch, _ index: Int, _ counts: LossCounts, dropout: DropoutStep?,
    into gradient: MutableFloats, _ progress: (_ completeFrom: Int) -> Void
  ) -> [Double] {
    let end = model.layout.dense.count
    model.forward(
      labelled.batch, weights.base, activations, dropout: dropout, pool,
      progress: { progress(end) })
    let losses = model.loss(labelled.batch, labelled.targets, counts, activations, pool)
    phases.end(.forward)
    let tokenGradient = model.backward(
      labelled.batch, weights.base, gradient, activations, dropout: dropout, pool,
      progress: progress)
    words.keep(tokenGradient, ofBatch: index)
    phases.end(.backward)
    return losses
  }

  /// Makes `wordGradient` this rank's gradient of the global batch's words: +0 for words that only
  /// other ranks have.
  ///
  /// - Parameter ids: Of the tokens of all ranks, in any order.
  package func sumWordRows(touchedBy ids: UnsafeBufferPointer<Int32>) {
    words.touch(ids)
    words.sum(pool)
  }
}

// The norm: squares are summed by blocks, and the blocks in their order, whoever owns them.
extension Replica {
  /// Boundaries of ranges that a rank owns are multiples of so many floats.
  package static let block = Reduction.squareBlock

  /// How many blocks of ``block`` floats the dense gradient has.
  package var blockCount: Int { (model.layout.dense.count + Self.block - 1) / Self.block }

  /// Writes the sums of squares of the dense gradient's blocks in `range` to their places in `sums`
  /// [blockCount].
  ///
  /// - Parameter range: Begins at a multiple of ``block``.
  package func sumSquares(of range: Range<Int>, _ sums: UnsafeMutablePointer<Double>) {
    precondition(range.lowerBound.isMultiple(of: Self.block), "a range of whole blocks")
    Reduction.squareSums(
      sums + range.lowerBound / Self.block, gradient + range.lowerBound, count: range.count, pool)
  }

  /// The Euclidean norm of all gradients together.
  ///
  /// - Parameter squares: [blockCount] The sums of squares of the whole dense gradient's blocks.
  package func gradientNorm(denseSquares squares: some Sequence<Double>) -> Double {
    (squares.reduce(0, +) + wordSquares()).squareRoot()
  }

  /// The same where this rank has the sum of all gradients.
  package func gradientNorm() -> Double {
    var sums = [Double](repeating: 0, count: blockCount)
    sums.withUnsafeMutableBufferPointer { sums in
      if let base = sums.baseAddress { sumSquares(of: 0..<model.layout.dense.count, base) }
    }
    return gradientNorm(denseSquares: sums)
  }

  private func wordSquares() -> Double {
    let gradient = wordGradient
    guard let base = gradient.baseAddress else { return 0 }
    var sums = [Double](repeating: 0, count: (gradient.count + Self.block - 1) / Self.block)
    sums.withUnsafeMutableBufferPointer { sums in
      if let first = sums.baseAddress {
        Reduction.squareSums(first, base, count: gradient.count, pool)
      }
    }
    return sums.reduce(0, +)
  }

  /// The index of the first dense gradient in `range` that is not finite.
  package func firstNonFiniteGradient(in range: Range<Int>) -> Int? {
    Reduction.firstNonFinite(gradient + range.lowerBound, count: range.count)
      .map { range.lowerBound + $0 }
  }

  /// Whether the gradients of all touched words are finite.
  package var areWordsFinite: Bool {
    guard let base = wordGradient.baseAddress else { return true }
    return Reduction.firstNonFinite(base, count: wordGradient.count) == nil
  }

  /// The dense parameter that an index belongs to.
  package func parameterName(ofDense index: Int) -> String? {
    let layout = model.layout
    return layout.parameters.first { $0.range.contains(layout.dense.lowerBound + index) }?.name
  }
}
