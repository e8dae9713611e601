/// Reads `post_processor`, checking every id against the vocabulary.
struct TemplateReader {
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

  /// RobertaProcessing alone trims what tokens stand for.
  static func trimming(_ field: JSONField) throws -> SpaceTrimming? {
    guard try field.member("type").string() == "RobertaProcessing",
      try field.member("trim_offsets").bool(default: true)
    else { return nil }
    return SpaceTrimming(addsPrefixSpace: try field.member("add_prefix_space").bool(default: true))
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
