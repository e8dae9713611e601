/// GPT-2's pre-tokenizer: cuts a text as the regular expression
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` does (Hugging Face's
/// ByteLevel). Every byte of the text is in one word.
struct ByteLevelPreTokenizer: Sendable, Equatable {
  /// Whether a text that does not begin with a space gets one.
  var addsPrefixSpace: Bool
  /// Whether texts are cut at all.
  var splits: Bool

  private enum Class {
    static let letter: UInt8 = 0
    static let number: UInt8 = 1
    static let space: UInt8 = 2
    static let other: UInt8 = 3
  }

  /// `Class` of the scalars below `readyCount`.
  private static let readyClasses: [UInt8] = (0..<readyCount).map {
    Unicode.Scalar($0).map(classify) ?? Class.other
  }
  private static let readyCount = 0x3100

  init(addsPrefixSpace: Bool, splits: Bool = true) {
    self.addsPrefixSpace = addsPrefixSpace
    self.splits = splits
  }

  /// The next word of `text`, which begins at `position`; nil at the end.
  @inline(__always)
  func nextWord(in text: Span<UInt8>, from position: inout Int) -> Range<Int>? {
    if position == text.count { return nil }
    let start = position
    position = splits ? Self.endOfWord(in: text, from: start) : text.count
    return start..<position
  }

  private static func endOfWord(in text: Span<UInt8>, from start: Int) -> Int {
    let first = text[start]
    if first == UInt8(ascii: "'") {
      let length = lengthOfContraction(in: text, after: start + 1)
      if length > 0 { return start + 1 + length }
    }
    let classes = readyClasses
    var position = start
    var kind = nextClass(in: text, at: &position, classes)
    if kind == Class.space {
      if first == UInt8(ascii: " "), position < text.count {
        var next = position
        kind = nextClass(in: text, at: &next, classes)
        if kind != Class.space { return endOfRun(of: kind, in: text, from: next, classes) }
      }
      return endOfSpaces(in: text, from: position, classes)
    }
    return endOfRun(of: kind, in: text, from: position, classes)
  }

  @inline(__always)
  private static func endOfRun(
    of kind: UInt8, in text: Span<UInt8>, from start: Int, _ classes: [UInt8]
  ) -> Int {
    var end = start
    while end < text.count {
      var next = end
      if nextClass(in: text, at: &next, classes) != kind { break }
      end = next
    }
    return end
  }

  /// The end of a run of white space, of which the first scalar ends at `position`. Before a word the
  /// last scalar is left to the next word, unless it is the only one.
  private static func endOfSpaces(
    in text: Span<UInt8>, from position: Int, _ classes: [UInt8]
  ) -> Int {
    var beforeLast = position
    var end = position
    while end < text.count {
      var next = end
      if nextClass(in: text, at: &next, classes) != Class.space { return beforeLast }
      beforeLast = end
      end = next
    }
    return end
  }

  /// Of `s`, `t`, `re`, `ve`, `m`, `ll`, `d`; 0 if there is none.
  private static func lengthOfContraction(in text: Span<UInt8>, after position: Int) -> Int {
    guard position < text.count else { return 0 }
    let second = position + 1 < text.count ? text[position + 1] : 0
    switch (text[position], second) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _),
      (UInt8(ascii: "d"), _):
      return 1
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return 2
    default: return 0
    }
  }

  @inline(__always)
  private static func nextClass(
    in text: Span<UInt8>, at position: inout Int, _ classes: [UInt8]
  ) -> UInt8 {
    let byte = text[position]
    if byte < 0x80 {
      position += 1
      return classes[Int(byte)]
    }
    let scalar = nextScalar(in: text, at: &position)
    return scalar.value < readyCount ? classes[Int(scalar.value)] : classify(scalar)
  }

  private static func classify(_ scalar: Unicode.Scalar) -> UInt8 {
    // Ideographs and Hangul, without a look at their properties.
    if (0x4E00...0x9FFF).contains(scalar.value) || (0xAC00...0xD7A3).contains(scalar.value) {
      return Class.letter
    }
    if CharacterClasses.isWhitespace(scalar) { return Class.space }
    switch CharacterClasses.currentCategory(of: scalar) {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return Class.letter
    case .decimalNumber, .letterNumber, .otherNumber: return Class.number
    default: return Class.other
    }
  }
}
