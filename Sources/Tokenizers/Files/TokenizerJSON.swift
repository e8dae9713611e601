/// Reading tokenizer.json, the file of Hugging Face `tokenizers` that holds a whole tokenizer.
///
/// What is understood is what BERT's descendants use: a WordPiece model, BertNormalizer,
/// BertPreTokenizer, one of the processors TemplateProcessing, BertProcessing and RobertaProcessing,
/// and a WordPiece decoder or none. `truncation` and `padding` are not looked at.
extension TokenizerDefinition {
  init(tokenizerJSON root: JSONField) throws {
    let model = try root.member("model")
    try model.requireType("WordPiece", orNone: true)
    let addedTokens = try Self.addedTokens(root.member("added_tokens"))
    vocabulary = try Vocabulary(
      model: Self.entries(of: model.member("vocab")),
      added: addedTokens.map {
        Vocabulary.Entry(
          token: $0.content, id: Int($0.id), place: "\(root.file), key added_tokens")
      },
      file: "\(root.file), key model.vocab")
    unknownToken = try model.member("unk_token").string()
    continuationPrefix = try model.member("continuing_subword_prefix").string()
    maxScalarsPerWord = try model.member("max_input_chars_per_word")
      .integer(in: 0...Int(UInt32.max))
    normalizer = try Self.normalizer(root.member("normalizer"))
    try root.member("pre_tokenizer").requireType("BertPreTokenizer")
    self.addedTokens = addedTokens.filter(\.isSpecial) + addedTokens.filter { !$0.isSpecial }
    template = try TemplateReader(vocabulary: vocabulary).template(root.member("post_processor"))
    decoder = try Self.decoder(root.member("decoder"))
    guard vocabulary.trie.value(of: unknownToken.utf8) != nil else {
      throw try model.member("unk_token").failure("a token of the vocabulary")
    }
  }

  private static func entries(of field: JSONField) throws -> [Vocabulary.Entry] {
    let place = "\(field.file), key \(field.path)"
    return try field.members().map { member in
      guard case .integer(let id) = member.value else {
        throw TokenizerError(
          place: "\(place), token \"\(member.key.prefix(60))\"", expected: "an integer id",
          found: member.value.kind, remedy: "correct the file or take another")
      }
      return Vocabulary.Entry(token: member.key, id: id, place: place)
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

  private static func normalizer(_ field: JSONField) throws -> NormalizerSettings {
    try field.requireType("BertNormalizer")
    let stripAccents = try field.member("strip_accents")
    return NormalizerSettings(
      cleansText: try field.member("clean_text").bool(),
      splitsChinese: try field.member("handle_chinese_chars").bool(),
      stripsAccents: stripAccents.isNull ? nil : try stripAccents.bool(),
      lowercases: try field.member("lowercase").bool())
  }

  private static func decoder(_ field: JSONField) throws -> WordPieceDecoder? {
    if field.isNull { return nil }
    try field.requireType("WordPiece")
    return WordPieceDecoder(
      prefix: try field.member("prefix").string(), cleansUp: try field.member("cleanup").bool())
  }
}

extension JSONField {
  /// Checks the member `type`, by which tokenizer.json names what its parts are. Files of early
  /// versions leave it out of `model`.
  fileprivate func requireType(_ types: String..., orNone: Bool = false) throws {
    let expected = types.joined(separator: ", ")
    if isNull { throw failure("an object of type \(expected)", found: "none") }
    let type = try member("type")
    if type.isNull, orNone { return }
    let name = try type.string()
    if types.contains(where: name.hasSameBytes) { return }
    throw type.failure(
      types.count == 1 ? "\"\(expected)\"" : "one of \(expected)",
      remedy: "lockstep tokenizes with WordPiece as BERT does; take a model that uses it")
  }
}

/// Reads `post_processor`, checking every id against the vocabulary.
private struct TemplateReader {
  let vocabulary: Vocabulary

  func template(_ field: JSONField) throws -> Template {
    try field.requireType("TemplateProcessing", "BertProcessing", "RobertaProcessing")
    let type = try field.member("type").string()
    if type == "TemplateProcessing" {
      let list = try field.member("special_tokens").memberFields()
      let specials = Dictionary(
        list.map { (Array($0.key.utf8), $0.field) }, uniquingKeysWith: { first, _ in first })
      return Template(
        single: try pieces(field.member("single"), specials, isPair: false),
        pair: try pieces(field.member("pair"), specials, isPair: true))
    }
    let classifier = try tokenAndID(field.member("cls"))
    let separator = try tokenAndID(field.member("sep"))
    return type == "BertProcessing"
      ? .bert(classifier: classifier, separator: separator)
      : .roberta(classifier: classifier, separator: separator)
  }

  private func pieces(
    _ field: JSONField, _ specials: [[UInt8]: JSONField], isPair: Bool
  ) throws -> [Template.Piece] {
    var pieces: [Template.Piece] = []
    for element in try field.elements() {
      let special = try element.member("SpecialToken")
      let content = special.isNull ? try element.member("Sequence") : special
      let typeID = UInt8(try content.member("type_id").integer(in: 0...255))
      let name = try content.member("id").string()
      if special.isNull {
        guard name.hasSameBytes(as: "A") || name.hasSameBytes(as: "B") else {
          throw try content.member("id").failure("\"A\" or \"B\"")
        }
        let isFirst = name.hasSameBytes(as: "A")
        pieces.append(Template.Piece(content: isFirst ? .first : .second, typeID: typeID))
      } else {
        guard let special = specials[Array(name.utf8)] else {
          throw try content.member("id").failure("one of the template's special_tokens")
        }
        for id in try ids(of: special) {
          pieces.append(Template.Piece(content: .special(id), typeID: typeID))
        }
      }
    }
    let numFirst = pieces.count { $0.content == .first }
    let numSecond = pieces.count { $0.content == .second }
    guard numFirst == 1, numSecond == (isPair ? 1 : 0) else {
      throw field.failure(
        isPair ? "the sequences A and B once each" : "the sequence A once, and not B",
        found: "A \(numFirst) times and B \(numSecond) times")
    }
    return pieces
  }

  private func ids(of special: JSONField) throws -> [Int32] {
    let ids = try special.member("ids").elements()
    let tokens = try special.member("tokens").elements()
    guard ids.count == tokens.count else {
      throw special.failure("as many ids as tokens", found: "\(ids.count) and \(tokens.count)")
    }
    return try zip(ids, tokens).map { try checkedID($0, token: $1.string()) }
  }

  /// `["[SEP]", 102]`
  private func tokenAndID(_ field: JSONField) throws -> Int32 {
    let elements = try field.elements()
    guard elements.count == 2 else { throw field.failure("a token and its id") }
    return try checkedID(elements[1], token: elements[0].string())
  }

  private func checkedID(_ field: JSONField, token: String) throws -> Int32 {
    let id = try field.integer(in: 0...vocabulary.tokens.count - 1)
    guard vocabulary.tokens[id].hasSameBytes(as: token) else {
      throw field.failure(
        "the id of \"\(token)\"",
        found: vocabulary.id(of: token) == nil
          ? "a vocabulary without it" : "\(id), the id of \"\(vocabulary.tokens[id])\"")
    }
    return Int32(id)
  }
}
