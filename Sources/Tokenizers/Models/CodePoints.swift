/// CANINE's way: every Unicode scalar is a token, its value the id (Clark et al., 2022). The special
/// tokens are code points that Unicode leaves to private use.
enum CodePoints {
  static let classifier: Int32 = 0xE000
  static let separator: Int32 = 0xE001
  static let mask: Int32 = 0xE003
  /// Padding, classifier, separator, beginning, mask, and one that is reserved.
  static let specialIDs: Set<Int32> = [0, classifier, separator, 0xE002, mask, 0xE004]
  /// Ids are 0 ..< count.
  static let count = 0x11_0000

  /// Appends the tokens of `text[part]`; after `limit` tokens it stops.
  static func tokenize(
    _ part: Range<Int>, of text: Span<UInt8>, limit: Int, into tokens: inout some TokenOutput
  ) {
    var position = part.lowerBound
    while position < part.upperBound, tokens.count < limit {
      let start = position
      let scalar = nextScalar(in: text, at: &position)
      tokens.append(Int32(scalar.value), range: start..<position)
    }
  }
}
