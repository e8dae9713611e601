/// Reads JSON (RFC 8259) strictly from front to back, without building a tree.
///
/// Foundation's decoder takes the last of two equal keys silently and allocates a value per
/// element. Files from strangers need more care: equal keys are refused, nesting is bounded, and
/// memory stays proportional to what the caller keeps. Every malformed byte is a ``Defect``.
///
/// Keys and names are short: comparing or hashing a `String` takes the square of the combining marks
/// on one character, which lets a megabyte of them hold a process for minutes.
package struct JSONReader {
  /// Where and how the text differs from what was expected.
  package struct Defect: Error, Equatable {
    /// Byte offset in the text.
    package let offset: Int
    package let expected: String
    package let found: String

    package init(offset: Int, expected: String, found: String) {
      self.offset = offset
      self.expected = expected
      self.found = found
    }
  }

  /// The most bytes of UTF-8 that a key, or a string that is compared, may have.
  package static let nameByteLimit = 1024

  /// The byte that is read next.
  package private(set) var position: Int
  private let bytes: [UInt8]
  private let maxDepth: Int
  private let maxStringBytes: Int
  private var depth = 0

  /// - Parameters:
  ///   - maxDepth: how deep objects and arrays may nest.
  ///   - maxStringBytes: the most bytes of UTF-8 that any string of the text may have.
  package init(_ bytes: [UInt8], maxDepth: Int = 32, maxStringBytes: Int = .max) {
    self.bytes = bytes
    self.maxDepth = maxDepth
    self.maxStringBytes = maxStringBytes
    position = 0
  }

  /// Checks a whole text that another decoder will read: an object, valid, no key twice in any
  /// object, nested no deeper than 32 levels, no string longer than a name.
  package static func check(object bytes: [UInt8]) throws {
    var json = JSONReader(bytes, maxStringBytes: nameByteLimit)
    try json.readObject { _, json in try json.skipValue() }
    try json.readEnd()
  }

  /// Reads an object; `member` must read or skip the value of each key.
  package mutating func readObject(
    _ member: (_ key: String, _ json: inout JSONReader) throws -> Void
  ) throws {
    try open("{", "an object")
    var keys: Set<[UInt8]> = []
    if !take("}") {
      repeat {
        skipSpace()
        let start = position
        let key = try readName()
        guard keys.insert(Array(key.utf8)).inserted else {
          throw Defect(offset: start, expected: "each key once", found: "\(quoted(key)) again")
        }
        try expect(":", "`:` after the key \(quoted(key))")
        try member(key, &self)
      } while take(",")
      try expect("}", "`,` or `}`")
    }
    depth -= 1
  }

  /// Reads an array; `element` must read or skip one value each time it is called.
  package mutating func readArray(_ element: (_ json: inout JSONReader) throws -> Void) throws {
    try open("[", "an array")
    if !take("]") {
      repeat {
        skipSpace()
        try element(&self)
      } while take(",")
      try expect("]", "`,` or `]`")
    }
    depth -= 1
  }

  /// Reads a string that will be compared or looked up: a key, a name, a hash.
  package mutating func readName() throws -> String {
    try readString(maxBytes: min(Self.nameByteLimit, maxStringBytes))
  }

  /// Reads a string, its escapes resolved. Lone surrogates and invalid UTF-8 are defects.
  package mutating func readString() throws -> String {
    try readString(maxBytes: maxStringBytes)
  }

  private mutating func readString(maxBytes: Int) throws -> String {
    try expect("\"", "a string")
    let start = position
    var text: [UInt8] = []
    while true {
      guard position < bytes.count else { throw defect("a closing `\"`") }
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") { break }
      guard byte >= 0x20 else { throw defect("no control characters in a string") }
      position += 1
      if byte == UInt8(ascii: "\\") {
        text.append(contentsOf: String(try readEscape()).utf8)
      } else {
        text.append(byte)
      }
    }
    position += 1
    guard text.count <= maxBytes else {
      throw Defect(
        offset: start - 1, expected: "a name of at most \(maxBytes) bytes",
        found: "\(text.count) bytes")
    }
    guard let valid = String(validating: text, as: UTF8.self) else {
      throw Defect(offset: start, expected: "UTF-8", found: "bytes that are not")
    }
    return valid
  }

  /// Reads an integer that fits `Int`, written without fraction, exponent or leading zeros.
  package mutating func readInteger() throws -> Int {
    skipSpace()
    let start = position
    try skipNumber()
    guard let value = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      throw Defect(
        offset: start, expected: "an integer of 64 bits",
        found: String(decoding: bytes[start..<min(position, start + 40)], as: UTF8.self))
    }
    return value
  }

  /// Reads a number as the nearest `Double`.
  package mutating func readNumber() throws -> Double {
    skipSpace()
    let start = position
    try skipNumber()
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let value = Double(text), value.isFinite else {
      throw Defect(offset: start, expected: "a number below 1.8e308", found: text)
    }
    return value
  }

  /// Reads `true` or `false`.
  package mutating func readBoolean() throws -> Bool {
    skipSpace()
    let isTrue = position < bytes.count && bytes[position] == UInt8(ascii: "t")
    guard isTrue || (position < bytes.count && bytes[position] == UInt8(ascii: "f")) else {
      throw defect("`true` or `false`")
    }
    try skipWord(isTrue ? "true" : "false")
    return isTrue
  }

  /// Reads a value of any kind as its bytes.
  package mutating func readBytes() throws -> ArraySlice<UInt8> {
    skipSpace()
    let start = position
    try skipValue()
    return bytes[start..<position]
  }

  /// Reads a value of any kind and forgets it; it is checked as strictly as any other.
  package mutating func skipValue() throws {
    skipSpace()
    switch position < bytes.count ? bytes[position] : 0 {
    case UInt8(ascii: "{"): try readObject { _, json in try json.skipValue() }
    case UInt8(ascii: "["): try readArray { json in try json.skipValue() }
    case UInt8(ascii: "\""): _ = try readString()
    case UInt8(ascii: "t"): try skipWord("true")
    case UInt8(ascii: "f"): try skipWord("false")
    case UInt8(ascii: "n"): try skipWord("null")
    default: try skipNumber()
    }
  }

  /// Checks that nothing but white space is left.
  package mutating func readEnd() throws {
    skipSpace()
    guard position == bytes.count else { throw defect("the end of the text") }
  }

  private mutating func open(_ bracket: Unicode.Scalar, _ what: String) throws {
    try expect(bracket, what)
    depth += 1
    guard depth <= maxDepth else {
      throw Defect(
        offset: position - 1, expected: "at most \(maxDepth) levels of nesting", found: "more")
    }
  }

  private mutating func readEscape() throws -> Unicode.Scalar {
    guard position < bytes.count else { throw defect("an escape") }
    let byte = bytes[position]
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      position += 1
      return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return take(scalar: "\u{8}")
    case UInt8(ascii: "f"): return take(scalar: "\u{c}")
    case UInt8(ascii: "n"): return take(scalar: "\n")
    case UInt8(ascii: "r"): return take(scalar: "\r")
    case UInt8(ascii: "t"): return take(scalar: "\t")
    case UInt8(ascii: "u"): return try readUnicodeEscape()
    default: throw defect("an escape (one of \"\\/bfnrtu)")
    }
  }

  /// Reads `uXXXX`, and for a high surrogate the `\uXXXX` that must follow.
  private mutating func readUnicodeEscape() throws -> Unicode.Scalar {
    let start = position
    let first = try readHexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if first < 0xdc00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
      bytes[position + 1] == UInt8(ascii: "u")
    {
      position += 1
      let second = try readHexDigits()
      if (0xdc00...0xdfff).contains(second),
        let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
      {
        return scalar
      }
    }
    throw Defect(offset: start, expected: "a pair of surrogates", found: "a lone one")
  }

  private mutating func readHexDigits() throws -> UInt32 {
    position += 1
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = position < bytes.count ? bytes[position] : 0
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw defect("four hexadecimal digits after `\\u`")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private mutating func skipNumber() throws {
    if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
    if position < bytes.count, bytes[position] == UInt8(ascii: "0") {
      position += 1
    } else {
      try skipDigits()
    }
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      try skipDigits()
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < bytes.count,
        bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")
      {
        position += 1
      }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws {
    let start = position
    while position < bytes.count, bytes[position] &- UInt8(ascii: "0") < 10 { position += 1 }
    guard position > start else { throw defect("a number") }
  }

  private mutating func skipWord(_ word: String) throws {
    for byte in word.utf8 {
      guard position < bytes.count, bytes[position] == byte else { throw defect("`\(word)`") }
      position += 1
    }
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x0a, 0x0d, 0x09: position += 1
      default: return
      }
    }
  }

  private mutating func take(scalar: Unicode.Scalar) -> Unicode.Scalar {
    position += 1
    return scalar
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar, _ what: String) throws {
    guard take(character) else { throw defect(what) }
  }

  private func defect(_ expected: String) -> Defect {
    guard position < bytes.count else {
      return Defect(offset: position, expected: expected, found: "the end of the text")
    }
    let byte = bytes[position]
    let found =
      (0x21...0x7e).contains(byte)
      ? "`\(Unicode.Scalar(byte))`" : "byte 0x\(String(byte, radix: 16))"
    return Defect(offset: position, expected: expected, found: found)
  }
}
