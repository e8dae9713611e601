/// CANINE has no vocabulary file: a folder is known by what tokenizer_config.json or config.json say.
extension TokenizerDefinition {
  static func canine() -> TokenizerDefinition {
    TokenizerDefinition(
      vocabulary: Vocabulary(), normalizer: Normalizer(steps: []), model: .codePoints,
      addedTokens: [],
      template: .bert(classifier: CodePoints.classifier, separator: CodePoints.separator),
      trimming: nil, decoder: nil)
  }
}
