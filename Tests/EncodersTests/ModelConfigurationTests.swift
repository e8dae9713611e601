import Encoders
import Foundation
import Glibc
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
    model.task = .multiLabel
    let written = try model.json()
    let object = try JSONSerialization.jsonObject(with: written) as? [String: Any]
    #expect((object?["something_else"] as? [String: Any])?["kept"] as? [Any] != nil)
    #expect(object?["architectures"] as? [String] == ["BertForSequenceClassification"])
    let again = try ModelConfiguration(json: written, path: "again")
    #expect(again.labelNames == model.labelNames)
    #expect(again.hiddenDropout == model.hiddenDropout)
    #expect(try again.json() == written)
  }

  @Test(
    "a class for pre-training is an encoder's, in families without a head for it",
    arguments: [("bert", "Bert", Encoders.Task.pretraining), ("roberta", "Roberta", .multiLabel)])
  func knowsPretrainingClasses(type: String, name: String, task: Encoders.Task) throws {
    let keys = #""\#(type)", "architectures": ["\#(name)ForPreTraining"]"#
    #expect(try parse(minimal.replacing("\"bert\"", with: keys)).task == task)
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
    Bad(
      from: "\"num_hidden_layers\": 2", to: "\"num_hidden_layers\": 1000000000",
      key: "num_hidden_layers"),
    Bad(
      from: "\"hidden_size\": 32", to: "\"hidden_size\": 1000000000000", key: "hidden_size"),
    Bad(from: "\"vocab_size\": 97", to: "\"vocab_size\": 1000000000000", key: "vocab_size"),
    Bad(
      from: "\"max_position_embeddings\": 32", to: "\"max_position_embeddings\": 9999999999",
      key: "max_position_embeddings"),
    Bad(from: "\"bert\",", to: "\"bert\", \"num_labels\": 1000000000,", key: "num_labels"),
    Bad(from: "\"bert\",", to: "\"bert\", \"type_vocab_size\": -1,", key: "type_vocab_size"),
    Bad(
      from: "\"num_attention_heads\": 4", to: "\"num_attention_heads\": 0",
      key: "num_attention_heads"),
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

  @Test(
    "what Foundation's decoder lets pass is refused with its place",
    arguments: [
      (#""vocab_size": 97"#, #""vocab_size": 97, "vocab_size": 98"#, "each key once"),
      (#"[1, null, true]"#, #"{"a": 1, "a": 2}"#, "each key once"),
      (#"[1, null, true]"#, String(repeating: "[", count: 100_000), "32 levels"),
      (
        #""bert""#, "\"\(String(repeating: "\u{301}\u{316}", count: 1 << 18))\"",
        "a name of at most 1024 bytes"
      ),
    ])
  func isStrict(from: String, to: String, expected: String) {
    let error = #expect(throws: EncoderError.self) { try parse(minimal.replacing(from, with: to)) }
    #expect(error?.place.hasPrefix("config.json: byte ") == true)
    #expect(error?.expected.contains(expected) == true, "\(String(describing: error))")
  }

  @Test("what could steer a terminal is escaped in messages")
  func escapes() {
    let error = #expect(throws: EncoderError.self) {
      try parse(minimal.replacing("\"bert\"", with: #""\u001b[2J\n""#))
    }
    #expect(error?.found == "`\\u{1b}[2J\\u{a}`")
  }

  @Test("config.json is a file of its folder, of a bounded size")
  func refusesStrangeFiles() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lockstep-config-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: folder + "/model", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/model/config.json"
    func message() -> String {
      do { _ = try ModelConfiguration(modelFolder: folder + "/model") } catch { return "\(error)" }
      return ""
    }
    #expect(message().hasPrefix("\(path): expected a readable model configuration, found No such"))
    try Data(minimal.utf8).write(to: URL(fileURLWithPath: path))
    #expect(message() == "")
    try FileManager.default.moveItem(atPath: path, toPath: folder + "/outside.json")
    try FileManager.default.createSymbolicLink(
      atPath: path, withDestinationPath: "../outside.json")
    #expect(message().contains("found a symbolic link to `../outside.json`"))
    try FileManager.default.removeItem(atPath: path)
    // Nobody writes to it: reading would wait for ever.
    #expect(mkfifo(path, 0o600) == 0)
    #expect(message().contains("found a named pipe"))
    try FileManager.default.removeItem(atPath: path)
    #expect(FileManager.default.createFile(atPath: path, contents: nil))
    #expect(truncate(path, 1 << 40) == 0)
    #expect(message().contains("found 1099511627776 bytes instead of at most 16777216 bytes"))
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
    #expect(EncoderModel(base).layout.count == 109_483_778)
    #expect(EncoderModel(large).layout.count == 335_143_938)
  }

  @Test("biases and norms are exempt from weight decay, everything else is not")
  func marksDecay() {
    let model = ModelConfiguration(
      vocabularySize: 9, hiddenSize: 4, layerCount: 1, headCount: 2, intermediateSize: 8,
      labelNames: ["a"])
    let layout = EncoderModel(model).layout
    for parameter in layout.parameters {
      let exempt = parameter.name.hasSuffix("bias") || parameter.name.contains("LayerNorm")
      #expect(parameter.decays == !exempt, "\(parameter.name)")
    }
    let runs = layout.updateRuns(layerDecay: 1)
    #expect(runs.map(\.range.count).reduce(0, +) == layout.count)
    #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.decays != $1.decays })
  }

  @Test("the learning rate decays by layer from the head down, and frozen layers are in no run")
  func layersAreScaledOrFrozen() {
    var model = ModelConfiguration(
      vocabularySize: 10, hiddenSize: 4, layerCount: 3, headCount: 2, intermediateSize: 8,
      labelNames: ["a"])
    let whole = EncoderModel(model).layout
    func scale(_ name: String) -> Double? {
      let parameter = whole.parameters.first { $0.name == name }
      return parameter.flatMap { parameter in
        whole.updateRuns(layerDecay: 0.5).first { $0.range.contains(parameter.offset) }
      }?.learningRateScale
    }
    #expect(scale("classifier.weight") == 1)
    #expect(scale("bert.encoder.layer.2.output.dense.bias") == 0.5)
    #expect(scale("bert.encoder.layer.0.output.dense.bias") == 0.125)
    #expect(scale("bert.embeddings.word_embeddings.weight") == 0.0625)
    model.frozenLayers = 2
    let frozen = EncoderModel(model).layout
    let first = frozen.updateRuns(layerDecay: 1).map(\.range.lowerBound).min()
    let third = frozen.parameters.first { $0.name.hasPrefix("bert.encoder.layer.2.") }
    #expect(first == third?.offset)
  }
}
