@testable import Encoders
@testable import Kernels

/// Rows whose tokens follow from their lengths and numbers, packed end to end.
struct MadeUpRows {
  let rows: [UInt32]
  private(set) var ids: [Int32] = []
  private(set) var types: [UInt8] = []
  private(set) var bounds: [Int32] = [0]

  /// - Parameter id: Of the token at a position of a row.
  init(lengths: [Int], rows: [UInt32], id: (_ position: Int, _ row: Int) -> Int) {
    self.rows = rows
    for (length, row) in zip(lengths, rows) {
      ids += (0..<length).map { Int32(id($0, Int(row))) }
      types += (0..<length).map { $0 > length / 2 ? 1 : 0 }
      bounds.append(Int32(ids.count))
    }
  }

  /// - Parameter pairs: Whether the second half of a row is of another type.
  func batch(pairs: Bool, parts: Parts? = nil) -> PackedBatch {
    PackedBatch(
      inputIDs: ids, typeIDs: pairs ? types : nil, cumulativeLengths: bounds, rows: rows,
      parts: parts)
  }
}

/// What each part's gradient is by itself, summed as a complete binary tree of the parts sums them.
///
/// - Parameter gradient: Of the rows of a part.
func sumInTree(_ parts: Range<Int>, gradient: (_ part: Int) -> [Float]) -> [Float] {
  guard parts.count > 1 else { return gradient(parts.lowerBound) }
  let middle = (parts.lowerBound + parts.upperBound) / 2
  return zip(
    sumInTree(parts.lowerBound..<middle, gradient: gradient),
    sumInTree(middle..<parts.upperBound, gradient: gradient)
  ).map(+)
}

extension EncoderModel {
  /// Weights, biases and norms alike from normal(0, 0.2), the same each time.
  func randomParameters() -> Arena {
    let parameters = Arena(count: layout.count)
    for parameter in layout.parameters {
      Philox4x32.normal(
        into: parameters.base + parameter.offset, count: parameter.count, seed: 11,
        name: parameter.name, standardDeviation: 0.2)
    }
    return parameters
  }
}

/// A multi-label model of three labels, with random parameters.
struct RandomModel {
  let model: EncoderModel
  let parameters: Arena

  init(_ configuration: ModelConfiguration) {
    model = EncoderModel(configuration)
    parameters = model.randomParameters()
  }

  /// [S, 3]
  func logits(
    _ batch: PackedBatch, isTraining: Bool = false, dropout: DropoutStep? = nil, threads: Int = 1
  ) -> [Float] {
    let activations = Activations(model, isTraining: isTraining, threads: threads)
    let pool = ThreadPool(threads: threads)
    model.forward(batch, parameters.base, activations, dropout: dropout, pool)
    let logits = model.logits(batch, activations, pool)[0]
    return Array(UnsafeBufferPointer(start: logits.values, count: batch.sequenceCount * 3))
  }

  /// [S, 3]
  static func labels(_ batch: PackedBatch) -> [Float] {
    batch.rows.flatMap { row in (0..<3).map { Float((row + $0) % 2) } }
  }

  /// Of all parameters, the words' first.
  ///
  /// - Parameters:
  ///   - previous: A batch whose gradient is computed in the same buffers before.
  ///   - progress: As `EncoderModel.backward` calls it.
  func gradient(
    _ batch: PackedBatch, dropout: DropoutStep?, threads: Int,
    kernel: TileKernel = TileKernel.available[0], after previous: PackedBatch? = nil,
    progress: (_ gradients: Arena, _ completeFrom: Int) -> Void = { _, _ in }
  ) -> [Float] {
    let pool = ThreadPool(threads: threads, kernel: kernel)
    let activations = Activations(model, isTraining: true, threads: threads)
    let dense = Arena(count: model.layout.dense.count)
    var tokens = Floats(parameters.base)
    for batch in [previous, batch].compactMap({ $0 }) {
      // Stale numbers must not survive: backward overwrites everything.
      dense.base.update(repeating: .nan, count: dense.count)
      model.forward(batch, parameters.base, activations, dropout: dropout, pool)
      _ = model.loss(
        batch, .multiLabel(Self.labels(batch)), LossCounts(rows: 3), activations, pool)
      tokens = model.backward(
        batch, parameters.base, dense.base, activations, dropout: dropout, pool,
        progress: { progress(dense, $0) })
    }
    let words = Arena(count: model.layout.wordTable.count)
    let configuration = model.configuration
    let rows = RowTokens(tableRows: configuration.vocabularySize)
    rows.sort(count: batch.tokenCount) { Int(batch.inputIDs[$0]) }
    Embedding.sumRows(
      words.base, tokens, rows, parts: batch.tokenParts, width: configuration.hiddenSize, pool)
    return [words, dense].flatMap { UnsafeBufferPointer(start: $0.base, count: $0.count) }
  }

  /// How the loss changes along the gradient of each parameter that has one worth measuring. There the
  /// slope is the gradient's squared norm.
  func slopes(
    _ batch: PackedBatch, dropout: DropoutStep
  ) -> [(parameter: Parameter, norm: Double, slope: Double)] {
    let gradient = gradient(batch, dropout: dropout, threads: 1)
    let labels = Self.labels(batch)
    func loss() -> Double {
      let logits = logits(batch, isTraining: true, dropout: dropout)
      return 1 / 9
        * BCEWithLogits.forwardBackward(nil, logits, labels, count: labels.count, scale: 0)
    }
    return model.layout.parameters.compactMap { parameter in
      let values = gradient[parameter.range]
      let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      guard norm > 1e-4 else { return nil }
      let epsilon = 1e-2 / norm
      func shift(_ sign: Float) {
        for index in parameter.range {
          parameters.base[index] += sign * Float(epsilon) * gradient[index]
        }
      }
      func shifted(_ sign: Float) -> Double {
        shift(sign)
        defer { shift(-sign) }
        return loss()
      }
      return (parameter, norm, (shifted(1) - shifted(-1)) / (2 * epsilon))
    }
  }
}
