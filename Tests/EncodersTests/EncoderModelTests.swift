import Encoders
import Testing

@testable import Kernels

@Suite struct EncoderModelTests {
  private static func configuration() -> ModelConfiguration {
    ModelConfiguration(
      vocabularySize: 50, hiddenSize: 20, layerCount: 3, headCount: 4, intermediateSize: 28,
      maxPositions: 40, labelNames: ["a", "b", "c"])
  }

  private let model = RandomModel(configuration())

  private func batch(
    lengths: [Int], rows: [UInt32], pairs: Bool = false, parts: Parts? = nil
  ) -> PackedBatch {
    MadeUpRows(lengths: lengths, rows: rows, id: { ($0 * 7 + $1 * 13) % 50 })
      .batch(pairs: pairs, parts: parts)
  }

  @Test("a sequence's logits do not depend on what it is packed with")
  func packingChangesNothing() {
    let lengths = [9, 1, 40, 3, 17]
    let together = model.logits(batch(lengths: lengths, rows: [4, 8, 15, 16, 23]))
    for (index, row) in [UInt32(4), 8, 15, 16, 23].enumerated() {
      let alone = model.logits(batch(lengths: [lengths[index]], rows: [row]))
      #expect(alone == Array(together[index * 3..<index * 3 + 3]))
    }
  }

  @Test("dropout follows the row and the step, not the place in the batch")
  func dropoutFollowsRow() {
    let step = DropoutStep(seed: 1, step: 5)
    let forth = model.logits(
      batch(lengths: [9, 12], rows: [4, 8]), isTraining: true, dropout: step)
    let back = model.logits(
      batch(lengths: [12, 9], rows: [8, 4]), isTraining: true, dropout: step)
    #expect(forth[..<3] == back[3...])
    let later = model.logits(
      batch(lengths: [9, 12], rows: [4, 8]), isTraining: true,
      dropout: DropoutStep(seed: 1, step: 6))
    #expect(forth != later)
  }

  @Test("logits and gradients have the same bits on 1, 2, 3 and 5 threads, dropout on")
  func threadsChangeNothing() {
    let batch = batch(lengths: [9, 1, 40, 3, 17], rows: [4, 8, 15, 16, 23], pairs: true)
    let step = DropoutStep(seed: 1, step: 5)
    let reference = model.gradient(batch, dropout: step, threads: 1)
    #expect(reference.allSatisfy { $0.isFinite })
    for threads in [2, 3, 5] {
      let gradient = model.gradient(batch, dropout: step, threads: threads)
      #expect(gradient == reference, "\(threads) threads")
    }
  }

  @Test("gradients have the same bits whatever the processor's tiles")
  func tilesChangeNothing() {
    let batch = batch(lengths: [9, 1, 40, 3, 17], rows: [4, 8, 15, 16, 23])
    let step = DropoutStep(seed: 1, step: 5)
    let gradients = TileKernel.available.map {
      model.gradient(batch, dropout: step, threads: 2, kernel: $0)
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
    let sum = sumInTree(0..<parts.count) { part in
      let own = parts[part]
      return model.gradient(
        batch(lengths: Array(lengths[own]), rows: Array(rows[own]), pairs: true),
        dropout: step, threads: 1)
    }
    let together = model.gradient(
      batch(lengths: lengths, rows: rows, pairs: true, parts: parts), dropout: step, threads: 2)
    #expect(together == sum)
  }

  @Test("gradients that backward says are complete change no more, and come from the end")
  func progress() {
    var seen: [(completeFrom: Int, values: [Float])] = []
    let final = model.gradient(
      batch(lengths: [9, 1, 40], rows: [4, 8, 15]), dropout: DropoutStep(seed: 1, step: 5),
      threads: 2,
      progress: { gradients, index in
        seen.append((index, (index..<gradients.count).map { gradients.base[$0] }))
      })
    let layout = model.model.layout
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
    for (parameter, norm, slope) in model.slopes(batch, dropout: DropoutStep(seed: 3, step: 1)) {
      #expect(
        abs(slope - norm * norm) < 0.03 * norm * norm + 2e-5 * norm,
        "\(parameter.name): slope \(slope), gradient \(norm * norm)")
    }
  }

  @Test("an empty batch leaves exact zeros")
  func emptyBatchHasNoGradient() {
    let gradient = model.gradient(batch(lengths: [], rows: []), dropout: nil, threads: 2)
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
