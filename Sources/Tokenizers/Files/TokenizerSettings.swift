/// The settings beside a vocabulary file: tokenizer_config.json, special_tokens_map.json and
/// added_tokens.json. What they leave out is as the kind of tokenizer has it.
struct TokenizerSettings {
  let kind: TokenizerKind
  let unknown: String
  let classifier: String
  let separator: String
  /// The file to name in errors about added tokens.
  let place: String
  private let config: JSONField
  /// Named and additional special tokens, in the order in which `transformers` adds them.
  private let special: [AddedToken]
  /// Tokens with ids of their own, from tokenizer_config.json's `added_tokens_decoder` or
  /// added_tokens.json, in the order of ids.
  private let numbered: [AddedToken]

  /// More than any vocabulary has, and far enough from the end of Int32 to count on from there.
  private static let maxID = Int32(ByteTrie.maxNodes)

  init(files: TokenizerFiles, kind: TokenizerKind) throws {
    self.kind = kind
    place = files.path("tokenizer_config.json")
    config = try files.json("tokenizer_config.json") ?? JSONField(file: place, value: .object([]))

    // A config with added_tokens_decoder is complete; else the older files add to it.
    let decoder = try config.member("added_tokens_decoder")
    let map = decoder.isNull ? try files.json("special_tokens_map.json") : nil
    let reader = SpecialTokenReader(config: config, map: map)
    let names = kind.specialTokens
    let unknown = try reader.required("unk_token", default: names.unknown)
    let separator = try reader.required("sep_token", default: names.separator)
    let classifier = try reader.required("cls_token", default: names.classifier)
    (self.unknown, self.separator) = (unknown.content, separator.content)
    self.classifier = classifier.content
    let named = [
      try reader.token("bos_token", default: names.beginning),
      try reader.token("eos_token", default: names.end),
      unknown, separator, try reader.token("pad_token", default: names.padding), classifier,
      try reader.mask(kind),
    ]
    special =
      try named.compactMap { $0 } + reader.list("additional_special_tokens")
      + reader.list("extra_special_tokens")
    if !decoder.isNull {
      numbered = try Self.numbered(decoder: decoder)
    } else {
      numbered = try files.json("added_tokens.json").map(Self.numbered(ids:)) ?? []
    }
  }

  func bool(_ key: String, default value: Bool) throws -> Bool {
    try config.member(key).bool(default: value)
  }

  /// BERT's normaliser.
  func bertNormalizer() throws -> NormalizerSettings {
    let stripsAccents = try config.member("strip_accents")
    return NormalizerSettings(
      cleansText: true, splitsChinese: try bool("tokenize_chinese_chars", default: true),
      stripsAccents: stripsAccents.isNull ? nil : try stripsAccents.bool(),
      lowercases: try bool("do_lower_case", default: true))
  }

  /// The added tokens with ids: those that have ids of their own, then the special ones, which take
  /// the vocabulary's ids or, if they are not in it, the next free ones.
  func addedTokens(firstFreeID: Int, vocabularyID: (String) -> Int?) -> [AddedToken] {
    var tokens: [AddedToken] = []
    var freeID = firstFreeID
    let specialNames = Set(special.map { Array($0.content.utf8) })
    var names = Set(numbered.map { Array($0.content.utf8) })
    for var token in numbered {
      token.isSpecial = token.isSpecial || specialNames.contains(Array(token.content.utf8))
      if vocabularyID(token.content) == nil { freeID = max(freeID, Int(token.id) + 1) }
      tokens.append(token)
    }
    for var token in special where names.insert(Array(token.content.utf8)).inserted {
      if let id = vocabularyID(token.content) {
        token.id = Int32(id)
      } else {
        token.id = Int32(freeID)
        freeID += 1
      }
      tokens.append(token)
    }
    return tokens.filter(\.isSpecial) + tokens.filter { !$0.isSpecial }
  }

  /// `{"30522": {"content": "[NEW]", "special": false, ..}}`
  private static func numbered(decoder: JSONField) throws -> [AddedToken] {
    let tokens = try decoder.memberFields().map { key, field in
      guard let id = Int32(key), (0..<maxID).contains(id) else {
        throw field.failure("an id as the key", found: "\"\(key)\"")
      }
      let special = try field.member("special").bool(default: false)
      return try AddedToken(field, id: id, isSpecial: special)
    }
    return tokens.sorted { $0.id < $1.id }
  }

  /// `{"[NEW]": 30522}`
  private static func numbered(ids: JSONField) throws -> [AddedToken] {
    let tokens = try ids.memberFields().map { key, field in
      let id = try field.integer(in: 0...Int(maxID) - 1)
      return AddedToken(content: key, id: Int32(id), isSpecial: false, isNormalized: true)
    }
    return tokens.sorted { $0.id < $1.id }
  }
}

/// Looks special tokens up by role in special_tokens_map.json, then in tokenizer_config.json.
private struct SpecialTokenReader {
  let config: JSONField
  let map: JSONField?

  /// The token of a role; a role that is not mentioned has BERT's, one that is null has none.
  func token(_ role: String, default name: String?) throws -> AddedToken? {
    let field = try field(role)
    if !field.isNull { return try AddedToken(field, id: 0, isSpecial: true) }
    if try config.has(role) { return nil }
    return name.map { AddedToken(content: $0, id: 0, isSpecial: true) }
  }

  /// `<mask>` takes the space before it along, where a model learned it so; in files of some kinds
  /// even if they do not say so.
  func mask(_ kind: TokenizerKind) throws -> AddedToken? {
    guard var mask = try token("mask_token", default: kind.specialTokens.mask) else { return nil }
    switch try field("mask_token").value {
    case .null: mask.stripsLeft = kind.maskStrips != .never
    case .string: mask.stripsLeft = kind.maskStrips == .unlessSaid
    default: break
    }
    return mask
  }

  func required(_ role: String, default name: String) throws -> AddedToken {
    if let token = try token(role, default: name) { return token }
    throw try field(role).failure("a token")
  }

  func list(_ key: String) throws -> [AddedToken] {
    let field = try field(key)
    if field.isNull { return [] }
    return try field.elements().map { try AddedToken($0, id: 0, isSpecial: true) }
  }

  private func field(_ key: String) throws -> JSONField {
    if let field = try map?.member(key), !field.isNull { return field }
    return try config.member(key)
  }
}

extension AddedToken {
  /// A token as tokenizer_config.json has it: a string, or an object with `content` and flags.
  fileprivate init(_ field: JSONField, id: Int32, isSpecial: Bool) throws {
    self.init(content: "", id: id, isSpecial: isSpecial)
    if case .string(let string) = field.value {
      content = string
    } else {
      content = try field.member("content").string()
      isSingleWord = try field.member("single_word").bool(default: false)
      stripsLeft = try field.member("lstrip").bool(default: false)
      stripsRight = try field.member("rstrip").bool(default: false)
      isNormalized = try field.member("normalized").bool(default: !isSpecial)
    }
    if content.isEmpty { throw field.failure("a token", found: "an empty one") }
  }
}
