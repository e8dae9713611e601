/// SentencePiece's way with spaces: they become `▁` and begin words (Hugging Face's Metaspace), after
/// the text was perhaps cut at white space or punctuation.
struct MetaspacePreTokenizer: Sendable, Equatable {
  /// When a text that does not begin with `▁` gets one.
  enum Prefix: String, Sendable { case always, first, never }

  /// What cuts the text first.
  enum Cut: String, Sendable {
    /// Hugging Face's WhitespaceSplit: white space is dropped.
    case whitespace
    /// Hugging Face's Punctuation, "isolated".
    case punctuation
  }

  /// `▁`, but in files of other models.
  var replacement: Unicode.Scalar
  var prefix: Prefix
  /// Whether words begin at `▁`; else the whole text is one.
  var splits: Bool
  /// In the order in which they are applied.
  var cuts: [Cut]

  /// What `cuts` leave of `text[whole]`, in order, none empty.
  func parts(of whole: Range<Int>, of text: Span<UInt8>) -> [Range<Int>] {
    var parts = whole.isEmpty ? [] : [whole]
    for cut in cuts {
      var finer: [Range<Int>] = []
      for part in parts { finer += Self.cut(part, of: text, at: cut) }
      parts = finer
    }
    return parts
  }

  private static func cut(_ part: Range<Int>, of text: Span<UInt8>, at cut: Cut) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    var start = part.lowerBound
    var position = start
    while position < part.upperBound {
      let before = position
      let scalar = nextScalar(in: text, at: &position)
      let isCut =
        cut == .whitespace
        ? CharacterClasses.isWhitespace(scalar) : CharacterClasses.isPunctuation(scalar)
      guard isCut else { continue }
      if start < before { parts.append(start..<before) }
      if cut == .punctuation { parts.append(before..<position) }
      start = position
    }
    if start < part.upperBound { parts.append(start..<part.upperBound) }
    return parts
  }

  /// Appends `part` of `text` with `replacement` for spaces. `isFirst` says whether it begins the
  /// whole text.
  func rewrite<Output: NormalizedText>(
    _ part: Range<Int>, of text: Span<UInt8>, isFirst: Bool, into output: inout Output
  ) {
    var position = part.lowerBound
    var next = position
    let first = nextScalar(in: text, at: &next)
    let isPrefixed = first == " " || first == replacement
    if !isPrefixed, prefix == .always || prefix == .first && isFirst {
      output.append(replacement, source: position..<next)
    }
    while position < part.upperBound {
      let start = position
      while position < part.upperBound, text[position] != UInt8(ascii: " ") { position += 1 }
      output.append(contentsOf: text, in: start..<position)
      if position < part.upperBound {
        output.append(replacement, source: position..<position + 1)
        position += 1
      }
    }
  }

  /// The next word of a rewritten part, which begins at `position`; nil at the end.
  func nextWord(
    in text: Span<UInt8>, from position: inout Int, _ replacement: [UInt8]
  ) -> Range<Int>? {
    if position == text.count { return nil }
    let start = position
    position += 1
    while position < text.count, !(splits && Self.has(replacement, at: position, in: text)) {
      position += 1
    }
    return start..<position
  }

  @inline(__always)
  private static func has(_ bytes: [UInt8], at position: Int, in text: Span<UInt8>) -> Bool {
    guard text[position] == bytes[0], position + bytes.count <= text.count else { return false }
    for offset in 1..<max(1, bytes.count) where text[position + offset] != bytes[offset] {
      return false
    }
    return true
  }
}
