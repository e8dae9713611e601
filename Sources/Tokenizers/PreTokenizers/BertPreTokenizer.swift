/// BERT's pre-tokenizer: cuts normalised text at white space and makes every punctuation character
/// a word of its own (Hugging Face's BertPreTokenizer).
struct BertPreTokenizer: Sendable {
  private enum Class: UInt8 { case letter, whitespace, punctuation }

  /// `Class` of the scalars below `readyCount`.
  private let classes: [UInt8]
  private static let readyCount = 0x3100

  init() {
    classes = (0..<Self.readyCount).map { value in
      (Unicode.Scalar(value).map(Self.classify) ?? .letter).rawValue
    }
  }

  /// The first word of `text` between `position` and `end`, nil if there is none; `position` is moved
  /// past it.
  func nextWord(in text: Span<UInt8>, from position: inout Int, to end: Int) -> Range<Int>? {
    var start = position
    while position < end {
      let before = position
      let byte = text[position]
      let kind: UInt8
      if byte < 0x80 {
        kind = classes[Int(byte)]
        position += 1
      } else {
        let scalar = nextScalar(in: text, at: &position)
        kind =
          scalar.value < Self.readyCount
          ? classes[Int(scalar.value)] : Self.classify(scalar).rawValue
      }
      if kind == Class.letter.rawValue { continue }
      if start < before {
        // Punctuation that ends a word is the next word.
        if kind == Class.punctuation.rawValue { position = before }
        return start..<before
      }
      if kind == Class.punctuation.rawValue { return before..<position }
      start = position
    }
    return start < position ? start..<position : nil
  }

  private static func classify(_ scalar: Unicode.Scalar) -> Class {
    // Ideographs and Hangul, without a look at their properties.
    if (0x3400...0xA3FF).contains(scalar.value) || (0xAC00...0xD7FF).contains(scalar.value) {
      return .letter
    }
    if CharacterClasses.isWhitespace(scalar) { return .whitespace }
    return CharacterClasses.isPunctuation(scalar) ? .punctuation : .letter
  }
}
