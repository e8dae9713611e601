import Foundation
import Testing

@testable import Encoders
@testable import Kernels

/// DeBERTa's parts that golden folders cannot show: bits, packing, dropout.
@Suite struct DisentangledModelTests {
  /// One way to configure attention.
  struct Variant: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let json: String

    init(_ type: String, _ keys: String) {
      testDescription = "\(type) \(keys)"
      json = """
        {"model_type": "\(type)", "relative_attention": true, "vocab_size": 50, "hidden_size": 20,
         "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 28,
         "max_position_embeddings": 40, "num_labels": 3, "pooler_dropout": 0.2, \(keys)}
        """
    }

    func configuration() throws -> ModelConfiguration {
      try ModelConfiguration(json: Data(json.utf8), path: "config.json")
    }
  }

  static let variants = [
    Variant("deberta", #""pos_att_type": "c2p|p2c", "position_biased_input": false"#),
    Variant("deberta", #""pos_att_type": ["c2p"], "max_relative_positions": 9"#),
    Variant(
      "deberta-v2",
      #""pos_att_type": "p2c|c2p", "share_att_key": true, "position_buckets": 8, "#
        + #""norm_rel_ebd": "layer_norm", "position_biased_input": false"#),
    Variant(
      "deberta-v2",
      #""pos_att_type": ["c2p", "p2c"], "share_att_key": false, "position_buckets": 8, "#
        + #""norm_rel_ebd": "layer_norm", "type_vocab_size": 2"#),
    Variant("deberta-v2", #""pos_att_type": ["p2c"], "share_att_key": true"#),
    Variant("deberta-v2", #""pos_att_type": ["p2c"], "share_att_key": false"#),
  ]

  private static let lengths = [9, 1, 40, 3, 17]
  private static let rows: [UInt32] = [4, 8, 15, 16, 23]
  private static let step = DropoutStep(seed: 1, step: 5)

  private static func batch(
    lengths: [Int] = lengths, rows: [UInt32] = rows, parts: Parts? = nil
  ) -> PackedBatch {
    MadeUpRows(lengths: lengths, rows: rows, id: { 1 + ($0 * 7 + $1 * 13) % 49 })
      .batch(pairs: true, parts: parts)
  }

  @Test("a sequence's logits do not depend on what it is packed with", arguments: variants)
  func packingChangesNothing(_ variant: Variant) throws {
    let model = RandomModel(try variant.configuration())
    let together = model.logits(Self.batch(), threads: 2)
    for (index, row) in Self.rows.enumerated() {
      let alone = model.logits(Self.batch(lengths: [Self.lengths[index]], rows: [row]))
      #expect(alone == Array(together[index * 3..<index * 3 + 3]))
    }
  }

  @Test("gradients have the same bits on any threads and tiles, dropout on", arguments: variants)
  func threadsChangeNothing(_ variant: Variant) throws {
    let model = RandomModel(try variant.configuration())
    let batch = Self.batch(parts: Parts(bounds: [0, 2, 5]))
    let reference = model.gradient(batch, dropout: Self.step, threads: 1)
    #expect(reference.allSatisfy { $0.isFinite })
    for threads in [2, 3, 5] {
      let gradient = model.gradient(batch, dropout: Self.step, threads: threads)
      #expect(gradient == reference, "\(threads) threads")
    }
    for kernel in TileKernel.available {
      #expect(model.gradient(batch, dropout: Self.step, threads: 2, kernel: kernel) == reference)
    }
  }

  @Test("buffers that another batch has used change nothing", arguments: variants)
  func buffersAreReused(_ variant: Variant) throws {
    let model = RandomModel(try variant.configuration())
    let batch = Self.batch(lengths: [5, 0, 12], rows: [1, 2, 3])
    let reference = model.gradient(batch, dropout: Self.step, threads: 2)
    let other = Self.batch(parts: Parts(bounds: [0, 1, 3, 3, 5]))
    #expect(model.gradient(batch, dropout: Self.step, threads: 2, after: other) == reference)
  }

  @Test(
    "micro-batches together have the bits of their gradients summed in the tree",
    arguments: variants, [[0, 5], [0, 2, 5], [0, 1, 1, 4, 5], [0, 0, 1, 2, 2, 3, 4, 5, 5]])
  func partsTogether(_ variant: Variant, bounds: [Int]) throws {
    let model = RandomModel(try variant.configuration())
    let parts = Parts(bounds: bounds)
    let sum = sumInTree(0..<parts.count) { part in
      let own = parts[part]
      return model.gradient(
        Self.batch(lengths: Array(Self.lengths[own]), rows: Array(Self.rows[own])),
        dropout: Self.step, threads: 1)
    }
    let together = model.gradient(Self.batch(parts: parts), dropout: Self.step, threads: 2)
    #expect(together == sum)
  }

  @Test("the gradient is the loss's slope, dropout on", arguments: variants)
  func gradientIsSlope(_ variant: Variant) throws {
    let model = RandomModel(try variant.configuration())
    let batch = Self.batch(lengths: [5, 13], rows: [2, 3])
    var checked = 0
    for (parameter, norm, slope) in model.slopes(batch, dropout: DropoutStep(seed: 3, step: 1)) {
      #expect(
        abs(slope - norm * norm) < 0.03 * norm * norm + 2e-5 * norm,
        "\(parameter.name): slope \(slope), gradient \(norm * norm)")
      checked += parameter.name.contains("rel_embeddings") ? 1 : 0
    }
    #expect(checked == 1, "the table of positions has a gradient")
  }

  @Test("an empty batch leaves exact zeros", arguments: variants)
  func emptyBatchHasNoGradient(_ variant: Variant) throws {
    let model = RandomModel(try variant.configuration())
    let gradient = model.gradient(Self.batch(lengths: [], rows: []), dropout: nil, threads: 2)
    #expect(gradient.allSatisfy { $0 == 0 && $0.sign == .plus })
  }
}
