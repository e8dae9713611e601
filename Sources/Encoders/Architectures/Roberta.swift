extension Architecture {
  /// RoBERTa (Liu et al., arXiv 1907.11692; Hugging Face's `RobertaModel`).
  static let roberta = robertaLayout(modelType: "roberta", className: "Roberta")
  /// XLM-R (Conneau et al., arXiv 1911.02116): the same with another vocabulary.
  static let xlmRoberta = robertaLayout(modelType: "xlm-roberta", className: "XLMRoberta")

  private static func robertaLayout(modelType: String, className: String) -> Architecture {
    Architecture(
      modelType: modelType, className: className, prefix: "roberta.",
      positionOffset: { try robertaPadding($0) + 1 },
      paddingID: robertaPadding,
      readParticulars: requireEncoderWithAbsolutePositions,
      makeEncoder: { TransformerEncoder($0, &$1, .bert) },
      sequenceHead: { .denseAndProjection(dropout: $0.classifierDropout) })
  }

  /// Positions count from the padding id on: fairseq keeps the rows up to it for padding.
  private static func robertaPadding(_ keys: ConfigurationKeys) throws -> Int {
    try keys.size("pad_token_id", default: 1, minimum: 0)
  }
}

extension SequenceHeadDescription {
  /// RoBERTa's classification head: dropout, dense, tanh, dropout, projection.
  static func denseAndProjection(dropout: Float) -> SequenceHeadDescription {
    SequenceHeadDescription(
      inputDropout: dropout, dense: "classifier.dense", activation: .tanh, dropout: dropout,
      output: "classifier.out_proj")
  }
}
