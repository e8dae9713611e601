/// Reading vocab.txt, a token a line, with the settings beside it, as `transformers` reads them when
/// the folder of a BERT or an MPNet has no tokenizer.json.
extension TokenizerDefinition {
  init(vocabularyIn files: TokenizerFiles, kind: TokenizerKind) throws {
    let path = files.path("vocab.txt")
    let settings = try TokenizerSettings(files: files, kind: kind)
    let tokens = try NamedTokens(
      model: try Self.entries(in: ModelFile.read(path), path: path), settings: settings, path: path)
    _ = try tokens.requiredID(settings.unknown, role: "unk_token")
    template = try tokens.template()
    trimming = kind == .mpnet ? SpaceTrimming(addsPrefixSpace: false) : nil
    addedTokens = tokens.added
    vocabulary = tokens.vocabulary
    model = .wordPiece(
      WordPieceDefinition(
        unknownToken: settings.unknown, continuationPrefix: "##", maxScalarsPerWord: 100))
    normalizer = Normalizer(steps: [.bert(try settings.bertNormalizer())])
    decoder = .wordPiece(WordPieceDecoder(prefix: "##", cleansUp: true))
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

/// A model's vocabulary with the special and added tokens that the settings name.
struct NamedTokens {
  let vocabulary: Vocabulary
  let added: [AddedToken]
  private let settings: TokenizerSettings
  private let path: String

  /// `path` is the vocabulary's file.
  init(model: [Vocabulary.Entry], settings: TokenizerSettings, path: String) throws {
    self.settings = settings
    self.path = path
    let ids = Dictionary(
      model.map { (Array($0.token.utf8), $0.id) }, uniquingKeysWith: { first, _ in first })
    let added = settings.addedTokens(firstFreeID: model.count) { ids[Array($0.utf8)] }
    self.added = added
    vocabulary = try Vocabulary(
      model: model,
      added: added.map {
        Vocabulary.Entry(token: $0.content, id: Int($0.id), place: settings.place)
      },
      file: path)
  }

  /// The id of a token that the model's own vocabulary has.
  func requiredID(_ token: String, role: String) throws -> Int32 {
    if let id = vocabulary.trie.value(of: token.utf8) { return id }
    throw TokenizerError(
      place: path, expected: "the token \"\(token)\" (\(role))", found: "none",
      remedy: "take the vocabulary and tokenizer_config.json of one model")
  }

  /// The special tokens around texts, as the kind of tokenizer has them.
  func template() throws -> Template {
    let classifier = try requiredID(settings.classifier, role: "cls_token")
    let separator = try requiredID(settings.separator, role: "sep_token")
    switch settings.kind {
    case .mpnet, .roberta, .xlmRoberta:
      return .roberta(classifier: classifier, separator: separator)
    default: return .bert(classifier: classifier, separator: separator)
    }
  }
}
