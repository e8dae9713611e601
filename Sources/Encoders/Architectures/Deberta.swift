extension Architecture {
  /// DeBERTa (He et al., arXiv 2006.03654; Hugging Face's `DebertaModel`).
  static let deberta = disentangled(modelType: "deberta", className: "Deberta") { keys in
    let maxDistance = try keys.maxRelativePosition()
    return DisentangledSettings(
      positions: .exact, span: maxDistance, isFused: true, sharesKeys: false, normalizes: false)
  }

  /// DeBERTa-v2 and -v3 (He et al., arXiv 2111.09543; Hugging Face's `DebertaV2Model`).
  static let debertaV2 = disentangled(modelType: "deberta-v2", className: "DebertaV2") { keys in
    let maxDistance = try keys.maxRelativePosition()
    let buckets = try keys.size("position_buckets", default: -1, minimum: -1)
    guard buckets < 1 || buckets >= 2 && maxDistance > buckets / 2 + 1 else {
      throw keys.wrong(
        "position_buckets",
        expected: "-1, or from 2 to less than twice max_relative_positions (\(maxDistance))",
        remedy: "correct the key")
    }
    let norms = (try keys.optionalString("norm_rel_ebd") ?? "none").parts
    guard Set(norms).isSubset(of: ["none", "layer_norm"]) else {
      throw keys.wrong(
        "norm_rel_ebd", expected: "\"none\" or \"layer_norm\"", remedy: "use a model of that kind")
    }
    return DisentangledSettings(
      positions: buckets < 1 ? .exact : .buckets(buckets, maxDistance: maxDistance),
      span: buckets < 1 ? maxDistance : buckets, isFused: false,
      sharesKeys: try keys.flag("share_att_key", default: false),
      normalizes: norms.contains("layer_norm"))
  }

  private static func disentangled(
    modelType: String, className: String,
    _ read: @escaping @Sendable (ConfigurationKeys) throws -> DisentangledSettings
  ) -> Architecture {
    Architecture(
      modelType: modelType, className: className, prefix: "deberta.",
      keys: ConfigurationNames(classifierDropout: "cls_dropout", poolerDropout: "pooler_dropout"),
      layerNormEpsilon: 1e-7, typeVocabularySize: 0,
      readParticulars: { keys in
        try keys.requireDisentangledAttention()
        var settings = try read(keys)
        (settings.contentToPosition, settings.positionToContent) = try keys.positionTerms()
        settings.biasesInput = try keys.flag("position_biased_input", default: true)
        settings.poolerActivation = try keys.poolerActivation()
        return .disentangled(settings)
      },
      makeEncoder: { DisentangledEncoder($0, &$1) },
      sequenceHead: { model in
        SequenceHeadDescription(
          inputDropout: model.poolerDropout, dense: "pooler.dense",
          activation: model.disentangled?.poolerActivation ?? .gelu,
          dropout: model.classifierDropout, output: "classifier")
      },
      tokenDropout: { $0.hiddenDropout })
  }
}

/// How a DeBERTa's attention differs from another's.
package struct DisentangledSettings: Sendable, Equatable {
  enum Positions: Sendable, Equatable {
    /// A row of the table for every distance up to the span.
    case exact
    /// Near distances have rows of their own, far ones share them, ever more of them.
    case buckets(Int, maxDistance: Int)
  }

  let positions: Positions
  /// Half the rows of the table.
  let span: Int
  /// Whether query, key and value have one weight, by heads, and biases for query and value alone.
  let isFused: Bool
  /// Whether positions are projected with the tokens' weights.
  let sharesKeys: Bool
  /// Whether the table goes through a LayerNorm.
  let normalizes: Bool
  /// Which terms scores have beside q · k.
  var contentToPosition = true
  var positionToContent = true
  /// Whether there is a table of absolute positions too.
  var biasesInput = true
  var poolerActivation = SequenceHeadDescription.Activation.gelu

  /// Scores are divided by the root of D times it.
  var termCount: Int { 1 + (contentToPosition ? 1 : 0) + (positionToContent ? 1 : 0) }
}

extension ConfigurationKeys {
  /// Refuses what only some DeBERTas have, or none that was published.
  fileprivate func requireDisentangledAttention() throws {
    try require("relative_attention", oneOf: [.bool(true)], default: .bool(false))
    try require("talking_head", oneOf: [.bool(false), .null], default: .null)
    try require("conv_kernel_size", oneOf: [.integer(0), .null], default: .null)
    try require("is_decoder", oneOf: [.bool(false)], default: .bool(false))
    let hidden = try size("hidden_size")
    for key in ["embedding_size", "pooler_hidden_size"] {
      try require(key, oneOf: [.integer(hidden), .null], default: .null)
    }
    let width = hidden / (try size("num_attention_heads"))
    try require("attention_head_size", oneOf: [.integer(width), .null], default: .null)
  }

  /// The farthest distance that is told from a farther one.
  fileprivate func maxRelativePosition() throws -> Int {
    let own = try size("max_relative_positions", default: -1, minimum: -1)
    return own < 1 ? try size("max_position_embeddings") : own
  }

  /// Which of content to position and position to content are in the scores.
  fileprivate func positionTerms() throws -> (Bool, Bool) {
    let key = "pos_att_type"
    let names: [String]
    switch object[key] {
    case .string(let list)?: names = list.parts
    case .array(let values)?:
      names = values.map { if case .string(let name) = $0 { name } else { $0.text } }
    default: names = []
    }
    guard !names.isEmpty, Set(names).isSubset(of: ["c2p", "p2c"]), Set(names).count == names.count
    else {
      throw EncoderError(
        "\(path): \(key)", expected: "\"c2p\", \"p2c\" or both, in a list or joined by |",
        found: names.isEmpty ? object[key]?.text ?? "nothing" : names.joined(separator: "|"),
        remedy: "use a model of that kind")
    }
    return (names.contains("c2p"), names.contains("p2c"))
  }

  fileprivate func poolerActivation() throws -> SequenceHeadDescription.Activation {
    switch try optionalString("pooler_hidden_act") ?? "gelu" {
    case "gelu": return .gelu
    case "tanh": return .tanh
    case "relu": return .relu
    default:
      throw wrong(
        "pooler_hidden_act", expected: "gelu, tanh or relu", remedy: "use a model of that kind")
    }
  }

  fileprivate func flag(_ key: String, default fallback: Bool) throws -> Bool {
    switch object[key] {
    case nil, .null?: return fallback
    case .bool(let value)?: return value
    default: throw wrong(key, expected: "true or false", remedy: "correct the key")
    }
  }
}

extension String {
  /// What | separates, in lower case and without spaces around.
  fileprivate var parts: [String] {
    lowercased().split(separator: "|", omittingEmptySubsequences: true)
      .map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
  }
}
