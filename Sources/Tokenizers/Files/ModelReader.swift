/// Reads `model` of tokenizer.json and the `pre_tokenizer` that belongs to it.
struct ModelReader {
  enum Kind { case wordPiece, bytePairs, unigram }

  let model: JSONField
  let root: JSONField
  let vocabulary: Vocabulary

  /// Files of early versions do not name the model; their keys tell.
  static func kind(of model: JSONField) throws -> Kind {
    if model.isNull {
      throw model.failure("an object of type WordPiece, BPE, Unigram", found: "none")
    }
    if try model.member("type").isNull {
      if try model.has("merges") { return .bytePairs }
      return try model.has("unk_id") ? .unigram : .wordPiece
    }
    try model.requireType("WordPiece", "BPE", "Unigram")
    switch try model.member("type").string() {
    case "WordPiece": return .wordPiece
    case "BPE": return .bytePairs
    default: return .unigram
    }
  }

  /// `{"the": 1996, ..}`
  static func entries(of field: JSONField) throws -> [Vocabulary.Entry] {
    let place = field.path.isEmpty ? field.file : "\(field.file), key \(field.path)"
    return try field.members().map { member in
      guard case .integer(let id) = member.value else {
        throw TokenizerError(
          place: "\(place), token \"\(member.key.prefix(60))\"", expected: "an integer id",
          found: member.value.kind, remedy: "correct the file or take another")
      }
      return Vocabulary.Entry(token: member.key, id: id, place: place)
    }
  }

  /// `[["<unk>", 0.0], ..]`, ids by place.
  static func pieces(of field: JSONField) throws -> [(entry: Vocabulary.Entry, score: Double)] {
    let place = "\(field.file), key \(field.path)"
    guard case .array(let elements) = field.value else { throw field.failure("an array") }
    let pieces = try elements.enumerated().map { id, element in
      guard case .array(let pair) = element, pair.count == 2, case .string(let token) = pair[0],
        let score = pair[1].double
      else {
        throw TokenizerError(
          place: "\(place)[\(id)]", expected: "a piece and its score", found: element.kind,
          remedy: "correct the file or take another")
      }
      return (Vocabulary.Entry(token: token, id: id, place: "\(place)[\(id)]"), score)
    }
    try Unigram.check(pieces.map(\.0))
    return pieces
  }

  func wordPiece() throws -> WordPieceDefinition {
    let definition = WordPieceDefinition(
      unknownToken: try model.member("unk_token").string(),
      continuationPrefix: try model.member("continuing_subword_prefix").string(),
      maxScalarsPerWord: try model.member("max_input_chars_per_word")
        .integer(in: 0...Int(UInt32.max)))
    try root.member("pre_tokenizer").requireType("BertPreTokenizer")
    return definition
  }

  func bytePairs() throws -> BytePairDefinition {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      let field = try model.member(key)
      if !field.isNull, !(try field.string().isEmpty) {
        throw field.failure("none, as in byte-level BPE")
      }
    }
    let dropout = try model.member("dropout")
    if !dropout.isNull, dropout.value.double != 0 { throw dropout.failure("none") }
    if try model.member("byte_fallback").bool(default: false) {
      throw try model.member("byte_fallback").failure("false, as in byte-level BPE")
    }
    let preTokenizer = try root.member("pre_tokenizer")
    try preTokenizer.requireType("ByteLevel")
    let merges = try model.member("merges")
    let place = "\(merges.file), key \(merges.path)"
    let builder = MergeReader(vocabulary: vocabulary)
    guard case .array(let elements) = merges.value else { throw merges.failure("an array") }
    return BytePairDefinition(
      preTokenizer: ByteLevelPreTokenizer(
        addsPrefixSpace: try preTokenizer.member("add_prefix_space").bool(),
        splits: try preTokenizer.member("use_regex").bool(default: true)),
      merges: try elements.enumerated().map { index, element in
        switch element {
        case .string(let line): return try builder.merge(line, place: "\(place)[\(index)]")
        case .array(let pair):
          guard pair.count == 2, case .string(let left) = pair[0],
            case .string(let right) = pair[1]
          else { break }
          return try builder.merge(left, right, place: "\(place)[\(index)]")
        default: break
        }
        throw TokenizerError(
          place: "\(place)[\(index)]", expected: "two tokens", found: element.kind,
          remedy: "correct the file or take another")
      },
      unknownID: try unknownToken(),
      fusesUnknown: try model.member("fuse_unk").bool(default: false),
      looksUpWords: try model.member("ignore_merges").bool(default: false))
  }

  private func unknownToken() throws -> Int32? {
    let field = try model.member("unk_token")
    if field.isNull { return nil }
    if let id = vocabulary.trie.value(of: try field.string().utf8) { return id }
    throw field.failure("a token of the vocabulary")
  }

  func unigram() throws -> UnigramDefinition {
    let unknown = try model.member("unk_id")
    let pieces = try Self.pieces(of: model.member("vocab"))
    return UnigramDefinition(
      preTokenizer: try MetaspaceReader.preTokenizer(root.member("pre_tokenizer")),
      scores: pieces.map(\.score),
      unknownID: Int32(try unknown.integer(in: 0...pieces.count - 1)),
      fallsBackToBytes: try model.member("byte_fallback").bool(default: false))
  }
}

/// Makes merges of tokens by name.
struct MergeReader {
  let vocabulary: Vocabulary

  /// Two tokens with a space between, a line of merges.txt.
  func merge(_ line: String, place: String) throws -> BytePairEncoding.Merge {
    let parts = line.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw TokenizerError(
        place: place, expected: "two tokens with a space between",
        found: "\"\(line.prefix(60))\"", remedy: "take the merges as they were published")
    }
    return try merge(String(Substring(parts[0])), String(Substring(parts[1])), place: place)
  }

  func merge(_ left: String, _ right: String, place: String) throws -> BytePairEncoding.Merge {
    func id(_ token: String) throws -> Int32 {
      if let id = vocabulary.trie.value(of: token.utf8) { return id }
      throw TokenizerError(
        place: place, expected: "tokens of the vocabulary that make another one",
        found: "\"\(token.prefix(60))\", which is none",
        remedy: "take vocabulary and merges of one model")
    }
    return BytePairEncoding.Merge(
      left: try id(left), right: try id(right), result: try id(left + right))
  }
}

/// Reads Metaspace, alone or in a Sequence behind what cuts the text.
enum MetaspaceReader {
  static func preTokenizer(_ field: JSONField) throws -> MetaspacePreTokenizer {
    try field.requireType("Metaspace", "Sequence")
    if try field.member("type").string() == "Metaspace" { return try metaspace(field, cuts: []) }
    let parts = try field.member("pretokenizers").elements()
    guard let last = parts.last else {
      throw field.failure("Metaspace at the end", found: "nothing")
    }
    var cuts: [MetaspacePreTokenizer.Cut] = []
    for part in parts.dropLast() {
      try part.requireType("WhitespaceSplit", "Punctuation")
      if try part.member("type").string() == "WhitespaceSplit" {
        cuts.append(.whitespace)
      } else {
        let behavior = try part.member("behavior")
        guard try behavior.isNull || behavior.string() == "Isolated" else {
          throw behavior.failure("\"Isolated\"")
        }
        cuts.append(.punctuation)
      }
    }
    try last.requireType("Metaspace")
    return try metaspace(last, cuts: cuts)
  }

  private static func metaspace(
    _ field: JSONField, cuts: [MetaspacePreTokenizer.Cut]
  ) throws -> MetaspacePreTokenizer {
    let replacement = try field.member("replacement")
    let scalars = try replacement.string().unicodeScalars
    guard scalars.count == 1, let scalar = scalars.first else {
      throw replacement.failure("one character")
    }
    let scheme = try field.member("prepend_scheme")
    var prefix = MetaspacePreTokenizer.Prefix.always
    if scheme.isNull {
      if !(try field.member("add_prefix_space").bool(default: true)) { prefix = .never }
    } else if let known = MetaspacePreTokenizer.Prefix(rawValue: try scheme.string()) {
      prefix = known
    } else {
      throw scheme.failure("one of always, first, never")
    }
    return MetaspacePreTokenizer(
      replacement: scalar, prefix: prefix, splits: try field.member("split").bool(default: true),
      cuts: cuts)
  }
}
