import Encoders
import Foundation
import Testing

@Suite struct ModelConfigurationTests {
  private let minimal = """
    {"model_type": "bert", "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2,
     "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 32,
     "something_else": {"kept": [1, null, true]}}
    """

  private func parse(_ json: String) throws -> ModelConfiguration {
    try ModelConfiguration(json: Data(json.utf8), path: "config.json")
  }

  @Test("what config.json leaves out has Hugging Face's default")
  func fillsDefaults() throws {
    let model = try parse(minimal)
    #expect(model.hiddenDropout == 0.1)
    #expect(model.attentionDropout == 0.1)
    #expect(model.classifierDropout == 0.1)
    #expect(model.layerNormEpsilon == 1e-12)
    #expect(model.typeVocabularySize == 2)
    #expect(model.labelNames == ["LABEL_0", "LABEL_1"])
  }

  @Test("writing and reading back gives the same configuration, with the keys that are not ours")
  func roundTrips() throws {
    var model = try parse(minimal)
    model.labelNames = ["anger", "joy", "tränen"]
    model.problemType = "multi_label_classification"
    let written = try model.json()
    let object = try JSONSerialization.jsonObject(with: written) as? [String: Any]
    #expect((object?["something_else"] as? [String: Any])?["kept"] as? [Any] != nil)
    #expect(object?["architectures"] as? [String] == ["BertForSequenceClassification"])
    let again = try ModelConfiguration(json: written, path: "again")
    #expect(again.labelNames == model.labelNames)
    #expect(again.hiddenDropout == model.hiddenDropout)
    #expect(try again.json() == written)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    let from: String
    let to: String
    let key: String
    var testDescription: String { "\(from) -> \(to)" }
  }

  static let bad = [
    Bad(from: "\"vocab_size\": 97,", to: "", key: "vocab_size"),
    Bad(from: "\"hidden_size\": 32", to: "\"hidden_size\": \"32\"", key: "hidden_size"),
    Bad(from: "\"hidden_size\": 32", to: "\"hidden_size\": 33", key: "hidden_size"),
    Bad(from: "\"num_hidden_layers\": 2", to: "\"num_hidden_layers\": 0", key: "num_hidden_layers"),
    Bad(from: "\"intermediate_size\": 64", to: "\"intermediate_size\": 1e30", key: "intermediate"),
    Bad(from: "\"bert\"", to: "\"gpt2\"", key: "model_type"),
    Bad(from: "\"bert\",", to: "\"bert\", \"hidden_act\": \"relu\",", key: "hidden_act"),
    Bad(from: "\"bert\",", to: "\"bert\", \"id2label\": {\"1\": \"a\"},", key: "id2label"),
    Bad(
      from: "\"bert\",", to: "\"bert\", \"position_embedding_type\": \"relative_key\",",
      key: "position_embedding_type"),
    Bad(
      from: "\"bert\",", to: "\"bert\", \"hidden_dropout_prob\": 1.5,", key: "hidden_dropout_prob"),
  ]

  @Test("a key that is missing, malformed or of another architecture is named", arguments: bad)
  func namesBadKey(_ bad: Bad) throws {
    let error = #expect(throws: EncoderError.self) {
      try parse(minimal.replacing(bad.from, with: bad.to))
    }
    #expect(error?.place.contains(bad.key) == true, "\(String(describing: error))")
    #expect(error?.place.hasPrefix("config.json") == true)
  }

  @Test("what is not a JSON object is refused", arguments: ["", "[]", "{", "null", "\u{0}"])
  func refusesOtherFiles(_ text: String) {
    #expect(throws: EncoderError.self) { try parse(text) }
  }

  @Test("BERT-Base has 110 million parameters and BERT-Large 335 million")
  func countsParameters() {
    let base = ModelConfiguration(
      vocabularySize: 30522, hiddenSize: 768, layerCount: 12, headCount: 12,
      intermediateSize: 3072, labelNames: ["a", "b"])
    let large = ModelConfiguration(
      vocabularySize: 30522, hiddenSize: 1024, layerCount: 24, headCount: 16,
      intermediateSize: 4096, labelNames: ["a", "b"])
    // transformers: BertForSequenceClassification(...).num_parameters()
    #expect(SequenceClassifier(base).layout.count == 109_483_778)
    #expect(SequenceClassifier(large).layout.count == 335_143_938)
  }

  @Test("biases and norms are exempt from weight decay, everything else is not")
  func marksDecay() {
    let model = ModelConfiguration(
      vocabularySize: 9, hiddenSize: 4, layerCount: 1, headCount: 2, intermediateSize: 8,
      labelNames: ["a"])
    let layout = SequenceClassifier(model).layout
    for parameter in layout.parameters {
      let exempt = parameter.name.hasSuffix("bias") || parameter.name.contains("LayerNorm")
      #expect(parameter.decays == !exempt, "\(parameter.name)")
    }
    let runs = layout.decayRuns
    #expect(runs.map(\.range.count).reduce(0, +) == layout.count)
    #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.decays != $1.decays })
  }
}
