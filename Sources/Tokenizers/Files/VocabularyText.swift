/// Reading vocab.txt, a token a line, with the settings beside it: tokenizer_config.json,
/// special_tokens_map.json and added_tokens.json, as `transformers` reads them when a model folder
/// has no tokenizer.json.
extension TokenizerDefinition {
  init(vocabularyIn files: TokenizerFiles) throws {
    let path = files.path("vocab.txt")
    let settings = try TokenizerSettings(files: files)
    let model = try Self.entries(in: ModelFile.read(path), path: path)
    let ids = Dictionary(
      model.map { (Array($0.token.utf8), $0.id) }, uniquingKeysWith: { first, _ in first })
    func requiredID(_ token: String, role: String) throws -> Int32 {
      if let id = ids[Array(token.utf8)] { return Int32(id) }
      throw TokenizerError(
        place: path, expected: "the token \"\(token)\" (\(role))", found: "none",
        remedy: "take the vocabulary and tokenizer_config.json of one model")
    }
    _ = try requiredID(settings.unknown, role: "unk_token")
    template = .bert(
      classifier: try requiredID(settings.classifier, role: "cls_token"),
      separator: try requiredID(settings.separator, role: "sep_token"))
    addedTokens = settings.addedTokens(firstFreeID: model.count) { ids[Array($0.utf8)] }
    vocabulary = try Vocabulary(
      model: model,
      added: addedTokens.map {
        Vocabulary.Entry(token: $0.content, id: Int($0.id), place: settings.place)
      },
      file: path)
    unknownToken = settings.unknown
    continuationPrefix = "##"
    maxScalarsPerWord = 100
    normalizer = settings.normalizer
    decoder = WordPieceDecoder(prefix: "##", cleansUp: true)
  }

  /// White space at the end of a line does not belong to the token. An empty line is a token too.
  private static func entries(in bytes: [UInt8], path: String) throws -> [Vocabulary.Entry] {
    do {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      let line = 1 + bytes[..<error.byteOffsets.lowerBound].count { $0 == UInt8(ascii: "\n") }
      throw TokenizerError(
        place: "\(path):\(line)", expected: "UTF-8", found: "bytes that are not",
        remedy: "take the vocabulary as it was published")
    }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.enumerated().map { index, line in
      var token = String(decoding: line, as: UTF8.self).unicodeScalars[...]
      while let last = token.last, CharacterClasses.isWhitespace(last) { token.removeLast() }
      return Vocabulary.Entry(token: String(token), id: index, place: "\(path):\(index + 1)")
    }
  }
}
