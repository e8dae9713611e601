import Foundation
import Testing

@testable import Encoders

@Suite struct DebertaConfigurationTests {
  /// microsoft/deberta-base's keys.
  private static let first = """
    {"model_type": "deberta", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
     "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02,
     "intermediate_size": 3072, "max_position_embeddings": 512, "relative_attention": true,
     "pos_att_type": "c2p|p2c", "layer_norm_eps": 1e-7, "max_relative_positions": -1,
     "num_attention_heads": 12, "num_hidden_layers": 12, "padding_idx": 0,
     "position_biased_input": false, "type_vocab_size": 0, "vocab_size": 50265}
    """

  /// microsoft/deberta-v3-base's keys.
  private static let third = """
    {"model_type": "deberta-v2", "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
     "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02,
     "intermediate_size": 3072, "max_position_embeddings": 512, "relative_attention": true,
     "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": true,
     "pos_att_type": "p2c|c2p", "layer_norm_eps": 1e-7, "max_relative_positions": -1,
     "position_biased_input": false, "num_attention_heads": 12, "num_hidden_layers": 12,
     "type_vocab_size": 0, "vocab_size": 128100}
    """

  private static func parse(_ json: String) throws -> ModelConfiguration {
    try ModelConfiguration(json: Data(json.utf8), path: "config.json")
  }

  @Test("DeBERTa-base has 139 million parameters and DeBERTa-v3-base 184 million")
  func countsParameters() throws {
    // transformers: Deberta(V2)ForSequenceClassification(...).num_parameters()
    let first = EncoderModel(try Self.parse(Self.first)).layout
    #expect(first.count == 139_193_858)
    let third = EncoderModel(try Self.parse(Self.third)).layout
    #expect(third.count == 184_423_682)
    let shapes = Dictionary(
      uniqueKeysWithValues: (first.parameters + third.parameters)
        .filter { $0.name.contains("encoder.layer.0.attention.self") || $0.name.contains("rel_") }
        .map { ($0.name + "\($0.shape)", $0.decays) })
    let layer = "deberta.encoder.layer.0.attention.self."
    #expect(shapes["deberta.encoder.rel_embeddings.weight[1024, 768]"] == true)
    #expect(shapes["deberta.encoder.rel_embeddings.weight[512, 768]"] == true)
    #expect(shapes[layer + "in_proj.weight[2304, 768]"] == true)
    #expect(shapes[layer + "q_bias[768]"] == false)
    #expect(shapes[layer + "pos_q_proj.bias[768]"] == false)
    #expect(shapes[layer + "query_proj.weight[768, 768]"] == true)
    #expect(shapes[layer + "pos_key_proj.weight[768, 768]"] == nil)
  }

  @Test("what config.json leaves out has Hugging Face's default")
  func fillsDefaults() throws {
    let json = #"""
      {"model_type": "deberta-v2", "relative_attention": true, "pos_att_type": ["c2p"],
       "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 8, "max_position_embeddings": 16}
      """#
    let model = try Self.parse(json)
    #expect(model.layerNormEpsilon == 1e-7)
    #expect(model.typeVocabularySize == 0)
    #expect(model.poolerDropout == 0)
    #expect(model.classifierDropout == 0.1)
    #expect(model.hasPositionTable)
    #expect(model.disentangled?.span == 16)
    #expect(model.disentangled?.positions == .exact)
    #expect(model.disentangled?.sharesKeys == false)
    #expect(model.disentangled?.normalizes == false)
    let written = try model.json()
    #expect(try ModelConfiguration(json: written, path: "again").json() == written)
  }

  @Test("dropout of the pooler and of the classifier is read and written back")
  func readsDropout() throws {
    var model = try Self.parse(
      Self.third.replacing(
        "{\"model", with: "{\"pooler_dropout\": 0.25, \"cls_dropout\": 0.5, \"model"))
    #expect(model.poolerDropout == 0.25)
    #expect(model.classifierDropout == 0.5)
    model = try ModelConfiguration(json: try model.json(), path: "again")
    #expect(model.poolerDropout == 0.25)
    #expect(model.classifierDropout == 0.5)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    let from: String
    let to: String
    let key: String
    var testDescription: String { "\(from) -> \(to)" }

    init(_ from: String, _ to: String, _ key: String) {
      (self.from, self.to, self.key) = (from, to, key)
    }

    /// A key more.
    init(_ pair: String, _ key: String) {
      self.init("\"type_vocab_size\": 0", "\"type_vocab_size\": 0, \(pair)", key)
    }
  }

  static let bad = [
    Bad("p2c|c2p", "p2c|p2p", "pos_att_type"),
    Bad("p2c|c2p", "c2p|c2p", "pos_att_type"),
    Bad("\"p2c|c2p\"", "[\"c2p\", 3]", "pos_att_type"),
    Bad("\"p2c|c2p\"", "null", "pos_att_type"),
    Bad("\"relative_attention\": true", "\"relative_attention\": false", "relative_attention"),
    Bad("\"relative_attention\": true,", "", "relative_attention"),
    Bad("\"conv_kernel_size\": 3", "conv_kernel_size"),
    Bad("\"embedding_size\": 128", "embedding_size"),
    Bad("\"pooler_hidden_size\": 128", "pooler_hidden_size"),
    Bad("\"attention_head_size\": 32", "attention_head_size"),
    Bad("\"talking_head\": true", "talking_head"),
    Bad("\"is_decoder\": true", "is_decoder"),
    Bad("\"pooler_hidden_act\": \"mish\"", "pooler_hidden_act"),
    Bad("\"layer_norm\"", "\"batch_norm\"", "norm_rel_ebd"),
    Bad("\"share_att_key\": true", "\"share_att_key\": 1", "share_att_key"),
    Bad("\"position_buckets\": 256", "\"position_buckets\": 1", "position_buckets"),
    Bad("\"position_buckets\": 256", "\"position_buckets\": 1024", "position_buckets"),
  ]

  @Test("a variant that is not computed is refused by its key", arguments: bad)
  func namesBadKey(_ bad: Bad) throws {
    let json = Self.third.replacing(bad.from, with: bad.to)
    #expect(json != Self.third)
    let error = #expect(throws: EncoderError.self) { try Self.parse(json) }
    #expect(error?.place == "config.json: \(bad.key)", "\(String(describing: error))")
  }

  @Test("token types are ignored by a model without a table of them, and else checked")
  func ignoresTypes() throws {
    let batch = PackedBatch(
      inputIDs: [5, 6], typeIDs: [0, 1], cumulativeLengths: [0, 2], rows: [3])
    #expect(throws: Never.self) { try batch.check(against: try Self.parse(Self.third)) }
    let typed = Self.third.replacing("\"type_vocab_size\": 0", with: "\"type_vocab_size\": 1")
    #expect(throws: EncoderError.self) { try batch.check(against: try Self.parse(typed)) }
  }

  /// Σ distance · bucket over -M...2M, by transformers' `make_log_bucket_position`: one distance in
  /// another bucket changes it.
  @Test(
    "distances fall in Hugging Face's buckets",
    arguments: [
      (256, 512, 171_116_195), (320, 512, 215_126_177), (64, 512, 42_074_816),
      (32, 128, 1_314_224), (8, 32, 19725), (7, 50, 35324), (2, 16, 664),
    ])
  func bucketsAreHuggingFaces(buckets: Int, maxDistance: Int, sum: Int) {
    let found = (-maxDistance...2 * maxDistance).reduce(0) {
      $0 + $1 * DisentangledSettings.bucket($1, of: buckets, maxDistance: maxDistance)
    }
    #expect(found == sum)
  }

  @Test("rows of the table never fall with the distance, and stay in it")
  func rowsAreInOrder() throws {
    for json in [Self.first, Self.third] {
      let settings = try #require(try Self.parse(json).disentangled)
      let rows = (-600...600).map(settings.row)
      #expect(zip(rows, rows.dropFirst()).allSatisfy { $0 <= $1 })
      #expect(rows.first == 0 || rows.first == 1)
      #expect(rows.last == 2 * settings.span - 1)
    }
  }
}
