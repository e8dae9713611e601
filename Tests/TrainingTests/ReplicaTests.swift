import Encoders
import Foundation
import GoldenFolders
import Kernels
import Testing
import Training

/// What a step may leave undone: updates of words that it does not touch.
@Suite struct ReplicaTests {
  private static let vocabulary = 300

  private static let bert = ModelConfiguration(
    vocabularySize: vocabulary, hiddenSize: 20, layerCount: 1, headCount: 4,
    intermediateSize: 28, maxPositions: 40, labelNames: ["a", "b", "c"])

  /// Without a word table, and with rows that are rounded up.
  private static func canine() throws -> ModelConfiguration {
    let json = """
      {"model_type": "canine", "hidden_size": 20, "num_hidden_layers": 1, "num_attention_heads": 4,
       "intermediate_size": 28, "max_position_embeddings": 40, "num_hash_functions": 4,
       "num_hash_buckets": 40, "local_transformer_stride": 4, "num_labels": 3}
      """
    return try ModelConfiguration(json: Data(json.utf8), path: "config.json")
  }

  private static func replica(_ configuration: ModelConfiguration = bert) -> Replica {
    let replica = Replica(configuration, threads: 2)
    let parameters = replica.parameters.base
    for parameter in replica.model.layout.parameters {
      Philox4x32.normal(
        into: parameters + parameter.offset, count: parameter.count, seed: 11,
        name: parameter.name, standardDeviation: 0.2)
    }
    return replica
  }

  /// Rows of a part: some words in every part, some seldom, one only in step 3.
  private static func labelledBatch(
    step: Int, part: Int, sequences: Int, for configuration: ModelConfiguration = bert
  ) -> Replica.LabelledBatch {
    var ids: [Int32] = []
    var bounds: [Int32] = [0]
    for sequence in 0..<sequences {
      ids.append(1)
      for token in 0..<(3 + (step + sequence) % 5) {
        let number = step * step + part * 17 + sequence * 5 + token
        ids.append(Int32(token % 2 == 0 ? number % 9 : number % vocabulary))
      }
      if step == 3 { ids.append(299) }
      bounds.append(Int32(ids.count))
    }
    return Replica.LabelledBatch(
      batch: configuration.batch(
        inputIDs: ids, cumulativeLengths: bounds,
        rows: (0..<UInt32(sequences)).map { UInt32(part * 10) + $0 }),
      targets: .multiLabel((0..<sequences * 3).map { Float(($0 + step) % 2) }))
  }

  /// The first float that differs; nil where none does.
  private static func firstDifference(_ found: Arena, _ expected: Arena) -> Int? {
    (0..<expected.count).first {
      found.base[$0].bitPattern != expected.base[$0].bitPattern
    }
  }

  /// AdamW on whole arenas, the gradient of untouched words being zero.
  private final class DenseOptimizer {
    let arenas: [Arena]
    private let pool = ThreadPool(threads: 1)

    init(_ parameters: Arena) {
      arenas = (0..<3).map { _ in Arena(count: parameters.count) }
      arenas[0].base.update(from: parameters.base, count: parameters.count)
    }

    func update(_ replica: Replica, step: Int, learningRate: Double, norm: Double) {
      for parameter in replica.model.layout.parameters {
        let start = parameter.offset
        AdamW().update(
          arenas[0].base + start, arenas[1].base + start, arenas[2].base + start,
          replica.gradient(of: parameter), count: parameter.count, step: step,
          learningRate: learningRate, weightDecay: parameter.decays ? 0.01 : 0,
          gradientScale: Float(min(1, 0.5 / (norm + 1e-6))), pool)
      }
    }
  }

  @Test("a replica has the bits of a dense update, whenever somebody looks at it")
  func lazyIsDense() {
    let (lazy, watched) = (Self.replica(), Self.replica())
    let dense = DenseOptimizer(lazy.parameters)
    for step in 1...300 {
      let rate = 1e-3 * (1 - Double(step) / 400)
      let batches = [2, step % 4 == 0 ? 0 : 3].enumerated().map {
        Self.labelledBatch(step: step, part: $0.offset, sequences: $0.element)
      }
      for replica in [lazy, watched] {
        let loss = replica.computeWholeGradient(of: batches)
        #expect(loss.isFinite)
        let norm = replica.gradientNorm()
        if replica === lazy { dense.update(replica, step: step, learningRate: rate, norm: norm) }
        replica.update(
          step: step, learningRate: rate, weightDecay: 0.01, gradientNorm: norm, maxNorm: 0.5)
      }
      // Looking brings every word up to date, so the next forward pass cannot read a stale one here.
      if step < 290 {
        #expect(Self.firstDifference(watched.parameters, dense.arenas[0]) == nil, "step \(step)")
      }
    }
    for replica in [lazy, watched] {
      let arenas = [replica.parameters, replica.expAvg, replica.expAvgSq]
      for (found, expected) in zip(arenas, dense.arenas) {
        #expect(Self.firstDifference(found, expected) == nil)
      }
    }
  }

  @Test(
    "micro-batches on one rank have the gradient that as many ranks sum in the tree",
    arguments: [bert, try canine()])
  func partsAreRanks(configuration: ModelConfiguration) {
    let batches = [2, 0, 1, 3].enumerated().map {
      Self.labelledBatch(
        step: 5, part: $0.offset, sequences: $0.element, for: configuration)
    }
    let counts = LossCounts(rows: 6)
    let dropout = DropoutStep(seed: 1, step: 5)
    func gradient(of batches: [Replica.LabelledBatch], ids: [Int32]) -> [Float] {
      let replica = Self.replica(configuration)
      _ = replica.begin(batches)
      let losses = replica.computeGradient(of: batches, counts: counts, dropout: dropout)
      #expect(losses.count == batches.count)
      ids.withUnsafeBufferPointer { replica.sumWordRows(touchedBy: $0) }
      #expect(Array(replica.touchedWords) == Set(ids).sorted())
      #expect(replica.hasWords == !ids.isEmpty)
      let dense = replica.model.layout.dense.count
      return Array(UnsafeBufferPointer(start: replica.gradient, count: dense))
        + Array(replica.wordGradient)
    }
    let ids = configuration == Self.bert ? batches.flatMap(\.batch.inputIDs) : []
    let ranks = batches.map { gradient(of: [$0], ids: ids) }
    let whole = gradient(of: batches, ids: ids)
    func sum(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 + $1 } }
    let expected = sum(sum(ranks[0], ranks[1]), sum(ranks[2], ranks[3]))
    #expect(whole.map { $0.bitPattern } == expected.map { $0.bitPattern })
    #expect(whole.contains { $0 != 0 })
  }

  @Test("micro-batches go together up to some thousand tokens, by complete subtrees")
  func partsTogether() {
    let replica = Self.replica()
    #expect(replica.partsTogether(tokens: [5000]) == 1)
    #expect(replica.partsTogether(tokens: [10, 20, 0, 30]) == 4)
    #expect(replica.partsTogether(tokens: [2000, 2000, 2000, 2000]) == 2)
    #expect(replica.partsTogether(tokens: [10, 20, 4000, 3000]) == 1)
  }

  @Test("a gradient that is not finite is found, and what it belongs to has a name")
  func namesBadGradient() {
    let replica = Self.replica()
    _ = replica.computeWholeGradient(of: [Self.labelledBatch(step: 1, part: 0, sequences: 2)])
    let layout = replica.model.layout
    let dense = 0..<layout.dense.count
    #expect(replica.firstNonFiniteGradient(in: dense) == nil)
    #expect(replica.areWordsFinite)
    replica.wordGradient[3] = .nan
    #expect(!replica.areWordsFinite)
    #expect(replica.gradientNorm().isNaN)
    replica.gradient[dense.upperBound - 1] = .infinity
    replica.gradient[7] = .nan
    #expect(replica.firstNonFiniteGradient(in: 8..<dense.upperBound) == dense.upperBound - 1)
    #expect(replica.firstNonFiniteGradient(in: dense) == 7)
    #expect(replica.parameterName(ofDense: 7) == layout.parameters[1].name)
    #expect(
      replica.parameterName(ofDense: dense.upperBound - 1) == layout.parameters.last?.name)
  }
}
