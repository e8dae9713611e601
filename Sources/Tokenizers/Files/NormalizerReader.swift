/// Reads `normalizer` of tokenizer.json.
enum NormalizerReader {
  /// Any of the steps that `Normalizer` has, alone or in a Sequence; null is none.
  static func steps(_ field: JSONField) throws -> [Normalizer.Step] {
    if field.isNull { return [] }
    try field.requireType(
      "Sequence", "BertNormalizer", "Precompiled", "Strip", "Lowercase", "Replace", "NFC")
    switch try field.member("type").string() {
    case "Sequence": return try field.member("normalizers").elements().flatMap(steps)
    case "BertNormalizer": return [.bert(try bert(field))]
    case "Precompiled": return try characterMap(field.member("precompiled_charsmap"))
    case "Strip":
      return [
        .strip(
          left: try field.member("strip_left").bool(),
          right: try field.member("strip_right").bool())
      ]
    case "Lowercase": return [.lowercase]
    case "NFC": return [.compose]
    default: return [try replace(field)]
    }
  }

  static func bert(_ field: JSONField) throws -> NormalizerSettings {
    try field.requireType("BertNormalizer")
    let stripAccents = try field.member("strip_accents")
    return NormalizerSettings(
      cleansText: try field.member("clean_text").bool(),
      splitsChinese: try field.member("handle_chinese_chars").bool(),
      stripsAccents: stripAccents.isNull ? nil : try stripAccents.bool(),
      lowercases: try field.member("lowercase").bool())
  }

  private static func characterMap(_ field: JSONField) throws -> [Normalizer.Step] {
    if field.isNull { return [] }
    guard let blob = decodeBase64(try field.string()) else {
      throw field.failure("bytes in base 64", found: "something else")
    }
    guard let map = CharacterMap(blob: blob) else {
      throw field.failure(
        "a precompiled character map of SentencePiece", found: "\(blob.count) bytes that are none")
    }
    return [.characterMap(map)]
  }

  private static func replace(_ field: JSONField) throws -> Normalizer.Step {
    let pattern = try field.member("pattern")
    let content = try field.member("content").string()
    let text = try pattern.member("String")
    if !text.isNull {
      let string = try text.string()
      if string.isEmpty { throw text.failure("a text to replace", found: "an empty one") }
      return .replace(.text(string), by: content)
    }
    let expression = try pattern.member("Regex")
    switch try expression.string() {
    case " {2,}": return .replace(.spaces, by: content)
    case "\\s{2,}|[\\n\\r\\t]": return .replace(.whitespace, by: content)
    default:
      throw expression.failure(
        "one of the regular expressions of SentencePiece's conversions, \" {2,}\" and "
          + "\"\\s{2,}|[\\n\\r\\t]\"")
    }
  }

  /// nil for anything but whole groups of four digits (RFC 4648). Foundation passes over padding in the
  /// middle.
  static func decodeBase64(_ text: String) -> [UInt8]? {
    guard text.utf8.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count / 4 * 3)
    var bits: UInt32 = 0
    var count = 0
    var numPadding = 0
    for digit in text.utf8 {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = digit - UInt8(ascii: "A")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = digit - UInt8(ascii: "a") + 26
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0") + 52
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "="):
        value = 0
        numPadding += 1
      default: return nil
      }
      if numPadding > 0, digit != UInt8(ascii: "=") { return nil }
      bits = bits << 6 | UInt32(value)
      count += 1
      if count % 4 == 0 {
        for shift: UInt32 in [16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
      }
    }
    guard numPadding <= 2 else { return nil }
    bytes.removeLast(numPadding)
    return bytes
  }
}
