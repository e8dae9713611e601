/// Reading tokenizer.json, the file of Hugging Face `tokenizers` that holds a whole tokenizer.
///
/// What is understood is what encoders of BERT's family use: the models WordPiece (with BertNormalizer
/// and BertPreTokenizer), BPE (with ByteLevel) and Unigram (with Metaspace); see the readers of the
/// parts. `truncation` and `padding` are not looked at.
extension TokenizerDefinition {
  init(tokenizerJSON root: JSONField) throws {
    let model = try root.member("model")
    let kind = try ModelReader.kind(of: model)
    let addedTokens = try Self.addedTokens(root.member("added_tokens"))
    let entries =
      kind == .unigram
      ? try ModelReader.pieces(of: model.member("vocab")).map(\.entry)
      : try ModelReader.entries(of: model.member("vocab"))
    vocabulary = try Vocabulary(
      model: entries,
      added: addedTokens.map {
        Vocabulary.Entry(
          token: $0.content, id: Int($0.id), place: "\(root.file), key added_tokens")
      },
      file: "\(root.file), key model.vocab")
    let reader = ModelReader(model: model, root: root, vocabulary: vocabulary)
    switch kind {
    case .wordPiece:
      self.model = .wordPiece(try reader.wordPiece())
      let field = try root.member("normalizer")
      normalizer = Normalizer(steps: [.bert(try NormalizerReader.bert(field))])
    case .bytePairs:
      self.model = .bytePairs(try reader.bytePairs())
      normalizer = Normalizer(steps: try NormalizerReader.steps(root.member("normalizer")))
    case .unigram:
      self.model = .unigram(try reader.unigram())
      normalizer = Normalizer(steps: try NormalizerReader.steps(root.member("normalizer")))
    }
    self.addedTokens = addedTokens.filter(\.isSpecial) + addedTokens.filter { !$0.isSpecial }
    let postProcessor = try root.member("post_processor")
    template = try TemplateReader(vocabulary: vocabulary).template(postProcessor)
    trimming = try TemplateReader.trimming(postProcessor)
    decoder = try Self.decoder(root.member("decoder"), kind)
    if case .wordPiece(let definition) = self.model,
      vocabulary.trie.value(of: definition.unknownToken.utf8) == nil
    {
      throw try model.member("unk_token").failure("a token of the vocabulary")
    }
  }

  private static func addedTokens(_ field: JSONField) throws -> [AddedToken] {
    if field.isNull { return [] }
    var tokens: [AddedToken] = []
    for element in try field.elements() {
      let content = try element.member("content").string()
      // The library passes over empty ones.
      if content.isEmpty { continue }
      tokens.append(
        AddedToken(
          content: content,
          id: Int32(try element.member("id").integer(in: 0...Int(Int32.max))),
          isSpecial: try element.member("special").bool(),
          isSingleWord: try element.member("single_word").bool(),
          stripsLeft: try element.member("lstrip").bool(),
          stripsRight: try element.member("rstrip").bool(),
          isNormalized: try element.member("normalized").bool()))
    }
    return tokens
  }

  private static func decoder(_ field: JSONField, _ kind: ModelReader.Kind) throws -> TokenDecoder?
  {
    if field.isNull { return nil }
    switch kind {
    case .wordPiece:
      try field.requireType("WordPiece")
      return .wordPiece(
        WordPieceDecoder(
          prefix: try field.member("prefix").string(),
          cleansUp: try field.member("cleanup").bool()))
    case .bytePairs:
      try field.requireType("ByteLevel")
      return .byteLevel
    case .unigram:
      let metaspace = try MetaspaceReader.preTokenizer(field)
      return .metaspace(
        replacement: metaspace.replacement, isPrefixed: metaspace.prefix != .never)
    }
  }
}

extension JSONField {
  /// Checks the member `type`, by which tokenizer.json names what its parts are. Files of early
  /// versions leave it out of `model`.
  func requireType(_ types: String...) throws {
    let expected = types.joined(separator: ", ")
    if isNull { throw failure("an object of type \(expected)", found: "none") }
    let type = try member("type")
    let name = try type.string()
    if types.contains(where: name.hasSameBytes) { return }
    throw type.failure(
      types.count == 1 ? "\"\(expected)\"" : "one of \(expected)",
      remedy: "take the tokenizer of a model of BERT's family: WordPiece as in BERT and MPNet, "
        + "byte-level BPE as in RoBERTa and DeBERTa, Unigram as in DeBERTa-v3 and XLM-R")
  }

  func bool(default value: Bool) throws -> Bool { isNull ? value : try bool() }

  func has(_ key: String) throws -> Bool {
    try members().contains { $0.key.hasSameBytes(as: key) }
  }
}
