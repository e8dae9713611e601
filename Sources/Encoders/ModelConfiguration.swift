import Manifests

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A BERT encoder and its classification head, as config.json describes them.
///
/// Keys and defaults are those of Hugging Face transformers' `BertConfig`. Keys that lockstep does
/// not read are kept and written back.
package struct ModelConfiguration: Sendable, Equatable {
  package var vocabularySize: Int
  package var hiddenSize: Int
  package var layerCount: Int
  package var headCount: Int
  package var intermediateSize: Int
  package var maxPositions: Int
  /// Rows of the token type table; 0 where the model has none.
  package var typeVocabularySize: Int
  package var layerNormEpsilon: Float
  package var hiddenDropout: Float
  package var attentionDropout: Float
  /// Dropout before the classifier; `hiddenDropout` where config.json says null.
  package var classifierDropout: Float
  /// Standard deviation of newly initialised weights.
  package var initializerRange: Float
  /// Names of the labels in the order of the logits.
  package var labelNames: [String]
  /// `multi_label_classification`, or nil where config.json does not say.
  package var problemType: String?

  private var source: [String: JSONValue]

  package var headWidth: Int { hiddenSize / headCount }

  /// Far above any real configuration: 65,536 labels of 100 bytes, named twice.
  private static let byteLimit = 16 << 20

  /// Reads `folder/config.json`, which must be a file of the folder itself.
  ///
  /// - Throws: `EncoderError` naming the file and key.
  package init(modelFolder folder: String) throws {
    let bytes: [UInt8]
    do {
      bytes = try contents(
        ofFile: containedFile("config.json", in: folder), limit: Self.byteLimit)
    } catch let error as ManifestError {
      throw EncoderError(
        error.place, expected: "a readable model configuration",
        found: error.expected.hasPrefix("to ")
          ? error.found : "\(error.found) instead of \(error.expected)",
        remedy: "point --model at a folder in Hugging Face's layout")
    }
    try self.init(json: Data(bytes), path: folder + "/config.json")
  }

  /// - Parameter path: The file's name in errors.
  package init(json data: Data, path: String) throws {
    let object = try Self.object(data, path)
    let keys = ConfigurationKeys(object: object, path: path)
    let modelType = try keys.string("model_type")
    guard modelType == "bert" else {
      throw keys.wrong("model_type", expected: "\"bert\"", remedy: "use a BERT model")
    }
    try keys.require("hidden_act", oneOf: [.string("gelu")], default: .string("gelu"))
    try keys.require(
      "position_embedding_type", oneOf: [.string("absolute"), .null], default: .null)
    try keys.require("is_decoder", oneOf: [.bool(false)], default: .bool(false))
    source = object
    vocabularySize = try keys.size("vocab_size", maximum: 1 << 24)
    hiddenSize = try keys.size("hidden_size")
    layerCount = try keys.size("num_hidden_layers", maximum: 1 << 10)
    headCount = try keys.size("num_attention_heads")
    intermediateSize = try keys.size("intermediate_size")
    maxPositions = try keys.size("max_position_embeddings", maximum: 1 << 20)
    typeVocabularySize = try keys.size("type_vocab_size", default: 2, minimum: 0)
    layerNormEpsilon = Float(try keys.number("layer_norm_eps", default: 1e-12, in: 0...1))
    let dropout = try keys.number("hidden_dropout_prob", default: 0.1, in: 0...0.999)
    hiddenDropout = Float(dropout)
    attentionDropout = Float(
      try keys.number("attention_probs_dropout_prob", default: 0.1, in: 0...0.999))
    classifierDropout = Float(
      try keys.number("classifier_dropout", default: dropout, in: 0...0.999))
    initializerRange = Float(try keys.number("initializer_range", default: 0.02, in: 0...100))
    labelNames = try keys.labelNames()
    problemType = try keys.optionalString("problem_type")
    guard hiddenSize % headCount == 0 else {
      throw keys.wrong(
        "hidden_size", expected: "a multiple of num_attention_heads (\(headCount))",
        remedy: "fetch the file again")
    }
  }

  /// Strict about what Foundation's decoder lets pass: a key twice, deep nesting, strings that take
  /// minutes to compare.
  private static func object(_ data: Data, _ path: String) throws -> [String: JSONValue] {
    do {
      try JSONReader.check(object: Array(data))
      return try JSONDecoder().decode([String: JSONValue].self, from: data)
    } catch let defect as JSONReader.Defect {
      throw EncoderError(
        "\(path): byte \(defect.offset)", expected: defect.expected, found: defect.found,
        remedy: "fetch the file again")
    } catch {
      throw EncoderError(
        path, expected: "a JSON object", found: "\(data.count) bytes that are not one",
        remedy: "fetch the file again")
    }
  }

  /// A configuration without a file, of a named size or in a test.
  package init(
    vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
    maxPositions: Int = 512, labelNames: [String]
  ) {
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.intermediateSize = intermediateSize
    self.maxPositions = maxPositions
    typeVocabularySize = 2
    layerNormEpsilon = 1e-12
    hiddenDropout = 0.1
    attentionDropout = 0.1
    classifierDropout = 0.1
    initializerRange = 0.02
    self.labelNames = labelNames
    problemType = nil
    source = [:]
  }

  /// Sets every dropout probability.
  package mutating func setDropout(_ probability: Float) {
    hiddenDropout = probability
    attentionDropout = probability
    classifierDropout = probability
  }

  /// config.json of a fine-tuned sequence classifier, its keys sorted: the same configuration gives
  /// the same bytes.
  package func json() throws -> Data {
    var object = source
    object["model_type"] = .string("bert")
    object["architectures"] = .array([.string("BertForSequenceClassification")])
    object["vocab_size"] = .integer(vocabularySize)
    object["hidden_size"] = .integer(hiddenSize)
    object["num_hidden_layers"] = .integer(layerCount)
    object["num_attention_heads"] = .integer(headCount)
    object["intermediate_size"] = .integer(intermediateSize)
    object["max_position_embeddings"] = .integer(maxPositions)
    object["type_vocab_size"] = .integer(typeVocabularySize)
    object["layer_norm_eps"] = .number(shortest(layerNormEpsilon))
    object["hidden_dropout_prob"] = .number(shortest(hiddenDropout))
    object["attention_probs_dropout_prob"] = .number(shortest(attentionDropout))
    object["classifier_dropout"] = .number(shortest(classifierDropout))
    object["initializer_range"] = .number(shortest(initializerRange))
    object["hidden_act"] = .string("gelu")
    object["problem_type"] = problemType.map(JSONValue.string) ?? .null
    let indexed = labelNames.enumerated()
    object["id2label"] = .object(
      Dictionary(uniqueKeysWithValues: indexed.map { ("\($0)", .string($1)) }))
    object["label2id"] = .object(
      Dictionary(indexed.map { ($1, .integer($0)) }, uniquingKeysWith: { first, _ in first }))
    object["num_labels"] = nil  // Hugging Face derives it from id2label.
    object["torch_dtype"] = nil
    object["dtype"] = .string("float32")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(object)
  }
}

/// The Double whose shortest decimal is the Float's, so that 0.1 is written 0.1.
private func shortest(_ value: Float) -> Double {
  Double("\(value)") ?? Double(value)
}
