/// The tokenizer's files in a model folder of Hugging Face layout.
struct TokenizerFiles {
  let modelFolder: String

  /// All that can belong to a tokenizer, of whatever kind.
  static let names = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "spm.model", "spiece.model",
    "sentencepiece.bpe.model", "tokenizer.model",
  ]

  func path(_ name: String) -> String {
    modelFolder.hasSuffix("/") ? modelFolder + name : modelFolder + "/" + name
  }

  func has(_ name: String) -> Bool { ModelFile.exists(path(name)) }

  /// The top of a JSON file, which is an object; nil if the file is not there.
  func json(_ name: String) throws -> JSONField? {
    guard has(name) else { return nil }
    let field = JSONField(
      file: path(name),
      value: try JSON(parsing: ModelFile.read(path(name)), name: path(name)))
    _ = try field.members()
    return field
  }

  func readDefinition() throws -> TokenizerDefinition {
    for name in Self.names { try ModelFile.requireContained(path(name), in: modelFolder) }
    if let field = try json("tokenizer.json") {
      return try TokenizerDefinition(tokenizerJSON: field)
    }
    guard let kind = try TokenizerKind(files: self) else {
      throw TokenizerError(
        place: modelFolder,
        expected: "tokenizer.json, vocab.txt, vocab.json with merges.txt, spm.model or "
          + "sentencepiece.bpe.model",
        found: ModelFile.exists(modelFolder) ? "none" : "no such folder",
        remedy: "give a model folder in Hugging Face layout")
    }
    switch kind {
    case .bert, .mpnet: return try TokenizerDefinition(vocabularyIn: self, kind: kind)
    case .roberta, .deberta: return try TokenizerDefinition(mergesIn: self, kind: kind)
    case .debertaV2, .xlmRoberta: return try TokenizerDefinition(sentencePieceIn: self, kind: kind)
    case .canine: return .canine()
    }
  }
}

extension Tokenizer {
  /// The names of the tokenizer files that a model folder has, in a fixed order: what to copy beside
  /// a checkpoint's weights.
  package static func files(inModelFolder folder: String) -> [String] {
    let files = TokenizerFiles(modelFolder: folder)
    return TokenizerFiles.names.filter(files.has)
  }
}
