import Encoders
import Testing

@testable import Kernels

@Suite struct EncoderModelTests {
  private static func configuration() -> ModelConfiguration {
    ModelConfiguration(
      vocabularySize: 50, hiddenSize: 20, layerCount: 3, headCount: 4, intermediateSize: 28,
      maxPositions: 40, labelNames: ["a", "b", "c"])
  }

  private let model = EncoderModel(configuration())
  private let parameters: Arena

  init() {
    parameters = Arena(count: model.layout.count)
    for parameter in model.layout.parameters {
      Philox4x32.normal(
        into: parameters.base + parameter.offset, count: parameter.count, seed: 11,
        name: parameter.name, standardDeviation: 0.2)
    }
  }

  private func batch(
    lengths: [Int], rows: [UInt32], pairs: Bool = false, parts: Parts? = nil
  ) -> PackedBatch {
    var ids: [Int32] = []
    var types: [UInt8] = []
    var bounds: [Int32] = [0]
    for (length, row) in zip(lengths, rows) {
      ids += (0..<length).map { Int32(($0 * 7 + Int(row) * 13) % 50) }
      types += (0..<length).map { $0 > length / 2 ? 1 : 0 }
      bounds.append(Int32(ids.count))
    }
    return PackedBatch(
      inputIDs: ids, typeIDs: pairs ? types : nil, cumulativeLengths: bounds, rows: rows,
      parts: parts)
  }

  private func logits(
    _ batch: PackedBatch, isTraining: Bool = false, dropout: DropoutStep? = nil, threads: Int = 1
  ) -> [Float] {
    let activations = Activations(model, isTraining: isTraining, threads: threads)
    let pool = ThreadPool(threads: threads)
    model.forward(batch, parameters.base, activations, dropout: dropout, pool)
    let logits = model.logits(batch, activations, pool)[0]
    return Array(UnsafeBufferPointer(start: logits.values, count: batch.sequenceCount * 3))
  }

  private func gradient(
    _ batch: PackedBatch, dropout: DropoutStep?, threads: Int,
    kernel: TileKernel = TileKernel.available[0],
    progress: (_ gradients: Arena, _ completeFrom: Int) -> Void = { _, _ in }
  ) -> [Float] {
    let pool = ThreadPool(threads: threads, kernel: kernel)
    let activations = Activations(model, isTraining: true, threads: threads)
    let dense = Arena(count: model.layout.dense.count)
    // Stale numbers must not survive: backward overwrites everything.
    dense.base.update(repeating: .nan, count: dense.count)
    model.forward(batch, parameters.base, activations, dropout: dropout, pool)
    let labels = batch.rows.flatMap { row in (0..<3).map { Float((row + $0) % 2) } }
    _ = model.loss(batch, .multiLabel(labels), LossCounts(rows: 3), activations, pool)
    let tokens = model.backward(
      batch, parameters.base, dense.base, activations, dropout: dropout, pool,
      progress: { progress(dense, $0) })
    let words = Arena(count: model.layout.wordTable.count)
    let rows = RowTokens(tableRows: 50)
    rows.sort(count: batch.tokenCount) { Int(batch.inputIDs[$0]) }
    Embedding.sumRows(words.base, tokens, rows, parts: batch.tokenParts, width: 20, pool)
    return [words, dense].flatMap { UnsafeBufferPointer(start: $0.base, count: $0.count) }
  }

  @Test("a sequence's logits do not depend on what it is packed with")
  func packingChangesNothing() {
    let lengths = [9, 1, 40, 3, 17]
    let together = logits(batch(lengths: lengths, rows: [4, 8, 15, 16, 23]))
    for (index, row) in [UInt32(4), 8, 15, 16, 23].enumerated() {
      let alone = logits(batch(lengths: [lengths[index]], rows: [row]))
      #expect(alone == Array(together[index * 3..<index * 3 + 3]))
    }
  }

  @Test("dropout follows the row and the step, not the place in the batch")
  func dropoutFollowsRow() {
    let step = DropoutStep(seed: 1, step: 5)
    let forth = logits(batch(lengths: [9, 12], rows: [4, 8]), isTraining: true, dropout: step)
    let back = logits(batch(lengths: [12, 9], rows: [8, 4]), isTraining: true, dropout: step)
    #expect(forth[..<3] == back[3...])
    let later = logits(
      batch(lengths: [9, 12], rows: [4, 8]), isTraining: true,
      dropout: DropoutStep(seed: 1, step: 6))
    #expect(forth != later)
  }

  @Test("logits and gradients have the same bits on 1, 2, 3 and 5 threads, dropout on")
  func threadsChangeNothing() {
    let batch = batch(lengths: [9, 1, 40, 3, 17], rows: [4, 8, 15, 16, 23], pairs: true)
    let step = DropoutStep(seed: 1, step: 5)
    let reference = gradient(batch, dropout: step, threads: 1)
    #expect(reference.allSatisfy { $0.isFinite })
    for threads in [2, 3, 5] {
      #expect(gradient(batch, dropout: step, threads: threads) == reference, "\(threads) threads")
    }
  }

  @Test("gradients have the same bits whatever the processor's tiles")
  func tilesChangeNothing() {
    let batch = batch(lengths: [9, 1, 40, 3, 17], rows: [4, 8, 15, 16, 23])
    let step = DropoutStep(seed: 1, step: 5)
    let gradients = TileKernel.available.map {
      gradient(batch, dropout: step, threads: 2, kernel: $0)
    }
    for other in gradients.dropFirst() { #expect(other == gradients[0]) }
  }

  @Test(
    "micro-batches together have the bits of their gradients summed in the tree",
    arguments: [[0, 5], [0, 2, 5], [0, 1, 1, 4, 5], [0, 0, 1, 2, 2, 3, 4, 5, 5]])
  func partsTogether(bounds: [Int]) {
    let lengths = [9, 1, 40, 3, 17]
    let rows: [UInt32] = [4, 8, 15, 16, 23]
    let parts = Parts(bounds: bounds)
    let step = DropoutStep(seed: 1, step: 5)
    func sum(_ range: Range<Int>) -> [Float] {
      guard range.count > 1 else {
        let rowRange = parts[range.lowerBound]
        return gradient(
          batch(lengths: Array(lengths[rowRange]), rows: Array(rows[rowRange]), pairs: true),
          dropout: step, threads: 1)
      }
      let middle = (range.lowerBound + range.upperBound) / 2
      return zip(sum(range.lowerBound..<middle), sum(middle..<range.upperBound)).map(+)
    }
    let together = gradient(
      batch(lengths: lengths, rows: rows, pairs: true, parts: parts), dropout: step, threads: 2)
    #expect(together == sum(0..<parts.count))
  }

  @Test("gradients that backward says are complete change no more, and come from the end")
  func progress() {
    var seen: [(completeFrom: Int, values: [Float])] = []
    let final = gradient(
      batch(lengths: [9, 1, 40], rows: [4, 8, 15]), dropout: DropoutStep(seed: 1, step: 5),
      threads: 2,
      progress: { gradients, index in
        seen.append((index, (index..<gradients.count).map { gradients.base[$0] }))
      })
    let layout = model.layout
    let firsts =
      ["bert.pooler.dense.weight"]
      + (0..<3).reversed().map { "bert.encoder.layer.\($0).attention.self.query.weight" }
    let expected = firsts.map { name in layout.parameters.first { $0.name == name }?.offset }
    let start = layout.dense.lowerBound
    #expect(seen.map { $0.completeFrom + start } == expected)
    for (index, values) in seen {
      #expect(values == Array(final[(start + index)...]), "from \(index)")
    }
  }

  @Test("the gradient is the loss's slope, dropout on")
  func gradientIsSlope() {
    let batch = batch(lengths: [5, 8], rows: [2, 3], pairs: true)
    let step = DropoutStep(seed: 3, step: 1)
    let gradient = gradient(batch, dropout: step, threads: 1)
    let labels = batch.rows.flatMap { row in (0..<3).map { Float((row + $0) % 2) } }
    func loss() -> Double {
      let logits = logits(batch, isTraining: true, dropout: step)
      return 1 / 9
        * BCEWithLogits.forwardBackward(nil, logits, labels, count: labels.count, scale: 0)
    }
    for parameter in model.layout.parameters {
      // Along the gradient itself the slope is its squared norm.
      let values = gradient[parameter.range]
      let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      guard norm > 1e-4 else { continue }
      let epsilon = 1e-2 / norm
      func shifted(_ sign: Float) -> Double {
        for index in parameter.range {
          parameters.base[index] += sign * Float(epsilon) * gradient[index]
        }
        defer {
          for index in parameter.range {
            parameters.base[index] -= sign * Float(epsilon) * gradient[index]
          }
        }
        return loss()
      }
      let slope = (shifted(1) - shifted(-1)) / (2 * epsilon)
      #expect(
        abs(slope - norm * norm) < 0.03 * norm * norm + 2e-5 * norm,
        "\(parameter.name): slope \(slope), gradient \(norm * norm)")
    }
  }

  @Test("an empty batch leaves exact zeros")
  func emptyBatchHasNoGradient() {
    let gradient = gradient(batch(lengths: [], rows: []), dropout: nil, threads: 2)
    #expect(gradient.allSatisfy { $0 == 0 && $0.sign == .plus })
  }

  @Test("ids, types and lengths that the model's tables do not hold are refused by row")
  func checksBatches() {
    func refused(_ batch: PackedBatch, naming row: String) {
      let error = #expect(throws: EncoderError.self) {
        try batch.check(against: Self.configuration())
      }
      #expect(error?.place.contains(row) == true)
    }
    refused(
      PackedBatch(inputIDs: [1, 50], cumulativeLengths: [0, 2], rows: [7]), naming: "row 7, token 1"
    )
    refused(
      PackedBatch(inputIDs: [-1], cumulativeLengths: [0, 1], rows: [7]), naming: "row 7")
    refused(
      PackedBatch(inputIDs: [1], typeIDs: [2], cumulativeLengths: [0, 1], rows: [9]),
      naming: "row 9")
    refused(PackedBatch(inputIDs: [], cumulativeLengths: [0, 0], rows: [5]), naming: "row 5")
    refused(batch(lengths: [41], rows: [6]), naming: "row 6")
    #expect(throws: Never.self) {
      try batch(lengths: [40, 1], rows: [0, 1], pairs: true).check(against: Self.configuration())
    }
  }
}
