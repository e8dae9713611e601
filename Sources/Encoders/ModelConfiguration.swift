import Manifests

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// An encoder and its head, as config.json describes them.
///
/// Keys and defaults are those of Hugging Face transformers. Keys that lockstep does not read are kept
/// and written back.
package struct ModelConfiguration: Sendable, Equatable {
  /// Which vector of a row its head reads.
  package enum Pooling: String, Codable, Sendable, CaseIterable {
    /// That of the first token.
    case first = "cls"
    /// The mean over the tokens.
    case mean
  }

  package let architecture: Architecture
  package var task: Task
  package var vocabularySize: Int
  package var hiddenSize: Int
  package var layerCount: Int
  package var headCount: Int
  package var intermediateSize: Int
  /// Rows of the position table.
  package var maxPositions: Int
  /// The row of a sequence's first token in it.
  var positionOffset = 0
  /// The token that stands for nothing: its embedding has no gradient. nil: none.
  var paddingID: Int? = 0
  /// Rows of the token type table; 0 where the model has none.
  package var typeVocabularySize: Int
  package var layerNormEpsilon: Float
  package var hiddenDropout: Float
  package var attentionDropout: Float
  /// Dropout before the classifier; `hiddenDropout` where config.json says null.
  package var classifierDropout: Float
  /// Dropout before the dense layer of a sequence's head, where the architecture has a key for it.
  var poolerDropout: Float = 0
  /// Dropout before the head of question answering.
  var answerDropout: Float = 0
  /// Standard deviation of newly initialised weights.
  package var initializerRange: Float
  /// Names of the labels in the order of the logits.
  package var labelNames: [String]
  package var pooling = Pooling.first
  /// [L] What each label's positive term of the loss is multiplied by; nil: 1. Not in config.json.
  package var positiveWeights: [Float]?
  /// How many layers are not trained, from the first on, and with them the embeddings; nil: all are
  /// trained. Not in config.json.
  package var frozenLayers: Int?
  /// What only this architecture has.
  let particulars: Particulars

  private var source: [String: JSONValue]

  /// What the encoder's tensor names begin with where there is a head.
  package var encoderPrefix: String { architecture.prefix }
  package var headWidth: Int { hiddenSize / headCount }
  /// The longest row that the model takes, in tokens.
  package var maxTokens: Int {
    guard case .characters(let canine) = particulars else { return maxPositions - positionOffset }
    // The position table has as many rows as the others, and padding has positions too.
    return min(maxPositions, canine.hashBuckets) / canine.downsamplingRate * canine.downsamplingRate
  }
  /// Whether tokens get a vector for where they stand, beside what attention knows of it.
  var hasPositionTable: Bool { disentangled?.biasesInput ?? true }
  /// How attention is disentangled; nil for other architectures than DeBERTa.
  var disentangled: DisentangledSettings? {
    guard case .disentangled(let settings) = particulars else { return nil }
    return settings
  }
  /// Whether padding that is computed has embeddings of zeros.
  var masksPadding: Bool { disentangled != nil }
  /// Whether the word table is also the weight of the layer that predicts words.
  var tiesWordTable: Bool { task == .pretraining }

  /// Far above any real configuration: 65,536 labels of 100 bytes, named twice.
  private static let byteLimit = 16 << 20
  /// The key of `pooling`, of which transformers knows nothing.
  private static let poolingKey = "lockstep_pooling"

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
    guard let architecture = Architecture.named(modelType) else {
      throw keys.wrong(
        "model_type",
        expected: Architecture.all.map { "\"\($0.modelType)\"" }.joined(separator: ", "),
        remedy: "use a model of one of these kinds")
    }
    let names = architecture.keys
    try keys.require(names.activation, oneOf: [.string("gelu")], default: .string("gelu"))
    self.architecture = architecture
    particulars = try architecture.readParticulars(keys)
    source = object
    vocabularySize =
      try names.hasVocabulary ? keys.size("vocab_size", maximum: 1 << 24) : Self.codePoints
    hiddenSize = try keys.size(names.hiddenSize)
    layerCount = try keys.size(names.layerCount, maximum: 1 << 10)
    headCount = try keys.size(names.headCount)
    intermediateSize = try keys.size(names.intermediateSize)
    maxPositions = try keys.size("max_position_embeddings", maximum: 1 << 20)
    positionOffset = try architecture.positionOffset(keys)
    paddingID = try names.hasVocabulary ? architecture.paddingID(keys) : nil
    typeVocabularySize =
      try names.hasTypes
      ? keys.size("type_vocab_size", default: architecture.typeVocabularySize, minimum: 0) : 0
    layerNormEpsilon = Float(
      try keys.number("layer_norm_eps", default: architecture.layerNormEpsilon, in: 0...1))
    let dropout = try keys.number(names.hiddenDropout, default: 0.1, in: 0...0.999)
    hiddenDropout = Float(dropout)
    attentionDropout = Float(try keys.number(names.attentionDropout, default: 0.1, in: 0...0.999))
    classifierDropout = Float(
      try names.classifierDropout.map { try keys.number($0, default: dropout, in: 0...0.999) }
        ?? dropout)
    poolerDropout = Float(
      try names.poolerDropout.map { try keys.number($0, default: 0, in: 0...0.999) } ?? 0)
    answerDropout = Float(
      try names.answerDropout.map { try keys.number($0, default: dropout, in: 0...0.999) } ?? 0)
    initializerRange = Float(try keys.number("initializer_range", default: 0.02, in: 0...100))
    labelNames = try keys.labelNames()
    task = try keys.task(architecture, labels: labelNames.count)
    if task == .questionAnswering { labelNames = [] }
    if let name = try keys.optionalString(Self.poolingKey) {
      guard let pooling = Pooling(rawValue: name) else {
        throw keys.wrong(Self.poolingKey, expected: "cls or mean", remedy: "correct the key")
      }
      self.pooling = pooling
    }
    guard hiddenSize % headCount == 0 else {
      throw keys.wrong(
        names.hiddenSize, expected: "a multiple of \(names.headCount) (\(headCount))",
        remedy: "fetch the file again")
    }
    guard maxTokens > 0 else {
      throw keys.wrong(
        "max_position_embeddings", expected: "more than the \(positionOffset) rows for padding",
        remedy: "fetch the file again")
    }
  }

  /// Unicode's, where a model has no vocabulary.
  private static let codePoints = 0x110000

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

  /// BERT's configuration without a file, of a named size or in a test.
  package init(
    vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int, intermediateSize: Int,
    maxPositions: Int = 512, labelNames: [String]
  ) {
    architecture = .bert
    task = .multiLabel
    particulars = .none
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
    source = [:]
  }

  /// Sets every dropout probability.
  package mutating func setDropout(_ probability: Float) {
    hiddenDropout = probability
    attentionDropout = probability
    classifierDropout = probability
    poolerDropout = probability
    answerDropout = probability
  }

  /// config.json, its keys sorted: the same configuration gives the same bytes.
  package func json() throws -> Data {
    var object = source
    let names = architecture.keys
    object["model_type"] = .string(architecture.modelType)
    object["architectures"] = .array([.string(architecture.className + task.classSuffix)])
    if names.hasVocabulary { object["vocab_size"] = .integer(vocabularySize) }
    object[names.hiddenSize] = .integer(hiddenSize)
    object[names.layerCount] = .integer(layerCount)
    object[names.headCount] = .integer(headCount)
    object[names.intermediateSize] = .integer(intermediateSize)
    object["max_position_embeddings"] = .integer(maxPositions)
    if names.hasTypes { object["type_vocab_size"] = .integer(typeVocabularySize) }
    object["layer_norm_eps"] = .number(shortest(layerNormEpsilon))
    object[names.hiddenDropout] = .number(shortest(hiddenDropout))
    object[names.attentionDropout] = .number(shortest(attentionDropout))
    if let key = names.classifierDropout { object[key] = .number(shortest(classifierDropout)) }
    if let key = names.poolerDropout { object[key] = .number(shortest(poolerDropout)) }
    if let key = names.answerDropout { object[key] = .number(shortest(answerDropout)) }
    object["initializer_range"] = .number(shortest(initializerRange))
    object[names.activation] = .string("gelu")
    object["problem_type"] = task.problemType.map(JSONValue.string) ?? .null
    object[Self.poolingKey] = pooling == .first ? nil : .string(pooling.rawValue)
    let indexed = labelNames.enumerated()
    object["id2label"] =
      labelNames.isEmpty
      ? nil
      : .object(
        Dictionary(uniqueKeysWithValues: indexed.map { ("\($0)", .string($1)) }))
    object["label2id"] =
      labelNames.isEmpty
      ? nil
      : .object(
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
