import Encoders

/// A model's sizes, parameter counts and memory, from its configuration alone.
package struct ModelSummary: Encodable, Sendable {
  package struct Part: Encodable, Sendable {
    package let name: String
    package let parameters: Int
  }

  /// Of config.json: the family.
  package let modelType: String
  package let layers: Int
  package let hiddenSize: Int
  package let heads: Int
  package let intermediateSize: Int
  package let vocabularySize: Int
  package let maxPositions: Int
  package let labels: [String]
  package let problemType: String?
  package let parameters: Int
  /// Embeddings, encoder, head.
  package let parts: [Part]
  /// Float32 weights.
  package let weightBytes: Int
  /// Weights, gradients and AdamW's two moments of a rank with one micro-batch, but for the gradients
  /// of a batch's words.
  package let trainingBytes: Int
  /// Activations of 8 rows of `tokensPerRow` tokens, forward and backward.
  package let activationBytes: Int

  /// The row length that `activationBytes` is for: a tweet's.
  package static let tokensPerRow = 28

  enum CodingKeys: String, CodingKey {
    case layers, heads, labels, parameters, parts
    case modelType = "model_type"
    case hiddenSize = "hidden_size"
    case intermediateSize = "intermediate_size"
    case vocabularySize = "vocabulary_size"
    case maxPositions = "max_positions"
    case problemType = "problem_type"
    case weightBytes = "weight_bytes"
    case trainingBytes = "training_bytes"
    case activationBytes = "activation_bytes"
  }

  package init(_ configuration: ModelConfiguration) {
    let model = EncoderModel(configuration)
    let layout = model.layout
    modelType = configuration.architecture.modelType
    layers = configuration.layerCount
    hiddenSize = configuration.hiddenSize
    heads = configuration.headCount
    intermediateSize = configuration.intermediateSize
    vocabularySize = configuration.vocabularySize
    maxPositions = configuration.maxPositions
    labels = configuration.labelNames
    problemType = configuration.task.problemType
    parameters = layout.count
    func count(_ isOfPart: (Parameter.Place) -> Bool) -> Int {
      layout.parameters.filter { isOfPart($0.place) }.reduce(0) { $0 + $1.count }
    }
    parts = [
      Part(name: "embeddings", parameters: count { $0 == .embeddings }),
      Part(name: "encoder", parameters: count { $0 != .embeddings && $0 != .head }),
      Part(name: "head", parameters: count { $0 == .head }),
    ]
    let float = MemoryLayout<Float>.size
    weightBytes = layout.count * float
    trainingBytes = (3 * layout.count + layout.dense.count) * float
    activationBytes =
      float
      * Activations.floatCount(
        model, sequences: 8, length: Self.tokensPerRow, isTraining: true, threads: 1)
  }
}

extension ModelConfiguration {
  /// A size that can be named instead of a model folder.
  ///
  /// - Returns: nil for a name other than `minilm` (all-MiniLM-L6-v2: Wang et al. 2020 with six
  ///   layers), `bert-base` and `bert-large` (Devlin et al. 2018).
  package init?(named name: String, labelNames: [String]) {
    switch name {
    case "minilm":
      self.init(
        vocabularySize: 30522, hiddenSize: 384, layerCount: 6, headCount: 12,
        intermediateSize: 1536, labelNames: labelNames)
    case "bert-base", "bert-large":
      self.init(size: String(name.dropFirst("bert-".count)), vocabularySize: 30522)
      self.labelNames = labelNames
    default: return nil
    }
  }

  /// The sizes of BERT that have names, by layers and width (Devlin et al., arXiv 1810.04805; Turc et al.,
  /// arXiv 1908.08962). Heads are 64 wide, and the feed-forward network four times as wide as the model.
  private static let dimensions: [(name: String, layers: Int, width: Int)] = [
    ("tiny", 2, 128), ("mini", 4, 256), ("small", 4, 512), ("medium", 8, 512), ("base", 12, 768),
    ("large", 24, 1024),
  ]

  package static var sizes: [String] { dimensions.map(\.name) }

  /// BERT of a named size; nil for a name that is not in ``sizes``.
  package init?(size: String, vocabularySize: Int) {
    guard let found = Self.dimensions.first(where: { $0.name == size }) else { return nil }
    self.init(
      vocabularySize: vocabularySize, hiddenSize: found.width, layerCount: found.layers,
      headCount: found.width / 64, intermediateSize: 4 * found.width, labelNames: [])
  }
}
