extension Architecture {
  /// BERT (Devlin et al., arXiv 1810.04805; Hugging Face's `BertModel`).
  static let bert = Architecture(
    modelType: "bert", className: "Bert", prefix: "bert.",
    readParticulars: requireEncoderWithAbsolutePositions,
    makeEncoder: { TransformerEncoder($0, &$1, .bert) },
    sequenceHead: { model in
      SequenceHeadDescription(
        dense: "bert.pooler.dense", activation: .tanh, dropout: model.classifierDropout,
        output: "classifier")
    },
    pretrains: true)

  static func requireEncoderWithAbsolutePositions(
    _ keys: ConfigurationKeys
  ) throws -> Particulars {
    try keys.require(
      "position_embedding_type", oneOf: [.string("absolute"), .null], default: .null)
    try keys.require("is_decoder", oneOf: [.bool(false)], default: .bool(false))
    return .none
  }
}

extension TransformerNames {
  static let bert = TransformerNames(
    layer: { "encoder.layer.\($0)." },
    query: "attention.self.query", key: "attention.self.key", value: "attention.self.value",
    attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense", output: "output.dense", outputNorm: "output.LayerNorm")
}
