/// A JSON value as the tokenizer's files hold them. Objects keep their members' order and refuse a
/// repeated key where it is looked up, so that what was read is what was written.
package enum JSON: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  package struct Member: Sendable {
    package let key: String
    package let value: JSON
  }

  /// Parses one JSON text (RFC 8259). `name` is the file's name for error messages, which give line
  /// and column; `firstLine` is the number of the first line.
  package init(parsing bytes: [UInt8], name: String, firstLine: Int = 1) throws {
    var parser = JSONParser(bytes: bytes, name: name, firstLine: firstLine)
    self = try parser.parseText()
  }

  /// A number of either form; nil for anything else.
  package var double: Double? {
    switch self {
    case .integer(let value): return Double(value)
    case .number(let value): return value
    default: return nil
    }
  }

  /// What an error message calls the value.
  package var kind: String {
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer(let value): return "\(value)"
    case .number(let value): return "\(value)"
    case .string(let value): return "the string \"\(value.prefix(60))\""
    case .array: return "an array"
    case .object: return "an object"
    }
  }
}

/// A recursive-descent parser over the bytes of one JSON text.
private struct JSONParser {
  private let bytes: [UInt8]
  private let name: String
  private let firstLine: Int
  private var position = 0
  private var depth = 0

  /// Deeper nesting is refused before it can exhaust the stack.
  private static let maxDepth = 128

  init(bytes: [UInt8], name: String, firstLine: Int) {
    self.bytes = bytes
    self.name = name
    self.firstLine = firstLine
  }

  mutating func parseText() throws -> JSON {
    do {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      position = error.byteOffsets.lowerBound
      throw failure(expected: "UTF-8", found: "bytes that are not")
    }
    let value = try parseValue()
    skipWhitespace()
    if position < bytes.count { throw failure(expected: "the end of the JSON text") }
    return value
  }

  private mutating func parseValue() throws -> JSON {
    skipWhitespace()
    guard position < bytes.count else { throw failure(expected: "a JSON value") }
    switch bytes[position] {
    case UInt8(ascii: "{"): return try parseObject()
    case UInt8(ascii: "["): return try parseArray()
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parse(literal: "true", .bool(true))
    case UInt8(ascii: "f"): return try parse(literal: "false", .bool(false))
    case UInt8(ascii: "n"): return try parse(literal: "null", .null)
    default: return try parseNumber()
    }
  }

  private mutating func parseObject() throws -> JSON {
    try enter()
    var members: [JSON.Member] = []
    skipWhitespace()
    if !skip("}") {
      repeat {
        skipWhitespace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
          throw failure(expected: "a key in double quotes")
        }
        let key = try parseString()
        skipWhitespace()
        guard skip(":") else { throw failure(expected: "':'") }
        members.append(JSON.Member(key: key, value: try parseValue()))
        skipWhitespace()
      } while skip(",")
      guard skip("}") else { throw failure(expected: "',' or '}'") }
    }
    depth -= 1
    return .object(members)
  }

  private mutating func parseArray() throws -> JSON {
    try enter()
    var elements: [JSON] = []
    skipWhitespace()
    if !skip("]") {
      repeat {
        elements.append(try parseValue())
        skipWhitespace()
      } while skip(",")
      guard skip("]") else { throw failure(expected: "',' or ']'") }
    }
    depth -= 1
    return .array(elements)
  }

  private mutating func enter() throws {
    depth += 1
    if depth > Self.maxDepth {
      throw failure(expected: "at most \(Self.maxDepth) levels of nesting", found: "more")
    }
    position += 1
  }

  private mutating func parse(literal: StaticString, _ value: JSON) throws -> JSON {
    for offset in 0..<literal.utf8CodeUnitCount {
      guard position + offset < bytes.count,
        bytes[position + offset] == literal.utf8Start[offset]
      else { throw failure(expected: "a JSON value") }
    }
    position += literal.utf8CodeUnitCount
    return value
  }

  private mutating func parseNumber() throws -> JSON {
    let start = position
    _ = skip("-")
    let integerStart = position
    skipDigits()
    guard position > integerStart,
      position == integerStart + 1 || bytes[integerStart] != UInt8(ascii: "0")
    else {
      position = start
      throw failure(expected: "a JSON value")
    }
    var isInteger = true
    if skip(".") {
      isInteger = false
      try parseDigits()
    }
    if skip("e") || skip("E") {
      isInteger = false
      if !skip("+") { _ = skip("-") }
      try parseDigits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      position = start
      throw failure(expected: "a finite number", found: text)
    }
    return .number(value)
  }

  private mutating func parseDigits() throws {
    let start = position
    skipDigits()
    if position == start { throw failure(expected: "a digit") }
  }

  private mutating func skipDigits() {
    while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
  }

  /// `position` is at the opening quote.
  private mutating func parseString() throws -> String {
    position += 1
    let start = position
    while position < bytes.count, isPlain(bytes[position]) { position += 1 }
    if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
      position += 1
      return String(decoding: bytes[start..<position - 1], as: UTF8.self)
    }
    var content = Array(bytes[start..<position])
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        position += 1
        return String(decoding: content, as: UTF8.self)
      }
      if byte < 0x20 { throw failure(expected: "control characters escaped in a string") }
      if byte == UInt8(ascii: "\\") {
        content.append(utf8: try parseEscape())
      } else {
        content.append(byte)
        position += 1
      }
    }
    throw failure(expected: "a closing double quote")
  }

  private func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  /// `position` is at the backslash.
  private mutating func parseEscape() throws -> Unicode.Scalar {
    let start = position
    position += 2
    switch position <= bytes.count ? bytes[position - 1] : 0 {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      if let unit = parseHexadecimal() {
        if let scalar = Unicode.Scalar(unit) { return scalar }
        if unit < 0xDC00, skip("\\"), skip("u"), let low = parseHexadecimal(),
          (0xDC00...0xDFFF).contains(low),
          let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        {
          return scalar
        }
      }
      position = start
      throw failure(expected: "\\u and four hexadecimal digits, surrogates in pairs")
    default:
      position = start
      throw failure(expected: "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
    }
  }

  private mutating func parseHexadecimal() -> UInt32? {
    guard position + 4 <= bytes.count else { return nil }
    var value: UInt32 = 0
    for byte in bytes[position..<position + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      value = value << 4 | UInt32(digit)
    }
    position += 4
    return value
  }

  private mutating func skipWhitespace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private func failure(expected: String, found: String? = nil) -> TokenizerError {
    let before = bytes[..<min(position, bytes.count)]
    let line = firstLine + before.count { $0 == UInt8(ascii: "\n") }
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    let column = 1 + before[lineStart...].count { $0 & 0xC0 != 0x80 }
    return TokenizerError(
      place: "\(name):\(line):\(column)", expected: expected, found: found ?? describeNext(),
      remedy: "write valid JSON (RFC 8259)")
  }

  private func describeNext() -> String {
    guard position < bytes.count else { return "the end" }
    let byte = bytes[position]
    return (0x21..<0x7F).contains(byte)
      ? "'\(Unicode.Scalar(byte))'" : "byte 0x" + String(byte, radix: 16)
  }
}
