import Encoders
import Foundation
import Kernels
import Testing

@testable import Shards
@testable import Training

@Suite struct LabelledRowsTests {
  /// A model of characters in fours, with two tags.
  private static func canine() throws -> ModelConfiguration {
    let json = """
      {"model_type": "canine", "architectures": ["CanineForTokenClassification"], "hidden_size": 8,
       "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8,
       "max_position_embeddings": 16, "num_hash_functions": 2, "num_hash_buckets": 16,
       "num_labels": 2}
      """
    return try ModelConfiguration(json: Data(json.utf8), path: "config.json")
  }

  private static var rows: RowBatch {
    var rows = RowBatch(.tokenClassification, hasPairs: false)
    rows.rows = [3, 9]
    rows.inputIDs = [65, 66, 67, 68, 69, 70]
    rows.cumulativeLengths = [0, 1, 6]
    rows.labels = RowLabels(.tokenClassification, [1, 0, 1, -100, 1, 0] as [Int32])
    return rows
  }

  @Test("pad characters have no tag, and none counts in the loss")
  func tags() throws {
    let labelled = Replica.LabelledBatch(Self.rows, for: try Self.canine())
    let expected: [Int32] = [1, -100, -100, -100, 0, 1, -100, 1, 0, -100, -100, -100]
    #expect(labelled.targets == .tags(expected))
    #expect(labelled.batch.cumulativeLengths == [0, 4, 12])
    #expect(labelled.targets.counts(rows: 2) == LossCounts(rows: 2, tokens: 5))
  }

  @Test("logits of tokens are those of the real ones, in their order")
  func logits() throws {
    let configuration = try Self.canine()
    let model = EncoderModel(configuration)
    let parameters = Arena(count: model.layout.count)
    for parameter in model.layout.parameters {
      Philox4x32.normal(
        into: parameters.base + parameter.offset, count: parameter.count, seed: 1,
        name: parameter.name, standardDeviation: 0.3)
    }
    let (pool, batch) = (
      ThreadPool(threads: 1), Replica.LabelledBatch(Self.rows, for: configuration).batch
    )
    let found = try Evaluator(model: model, parameters: parameters, pool: pool).logits(batch)
    let activations = Activations(model, isTraining: false, threads: 1)
    model.forward(batch, parameters.base, activations, dropout: nil, pool)
    let all = model.logits(batch, activations, pool)[0]
    #expect(all.rows == 12)
    #expect(found == ([0] + Array(4..<9)).flatMap { [all.values[2 * $0], all.values[2 * $0 + 1]] })
  }
}
