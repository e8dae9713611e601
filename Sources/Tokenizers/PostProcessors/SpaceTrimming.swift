/// Takes the spaces that tokens of byte-level models begin or end with out of what they stand for
/// (`trim_offsets` of Hugging Face's RobertaProcessing).
struct SpaceTrimming: Sendable, Equatable {
  /// Whether the first token's space may be one that the pre-tokenizer put there.
  var addsPrefixSpace: Bool

  /// Trims `ranges`, which are of `text`; `token` gives a token by id.
  func trim(
    _ tokens: inout AlignedTokens, from start: Int = 0, of text: String, isWord: Bool,
    token: (Int32) -> String?
  ) {
    let bytes = text.utf8.span
    for index in start..<tokens.count {
      guard let token = token(tokens.ids[index]) else { continue }
      let scalars = token.unicodeScalars
      var leading = scalars.prefix(while: Self.isSpace).count
      let trailing = scalars.reversed().prefix(while: Self.isSpace).count
      if leading == 0, trailing == 0 { continue }
      var range = tokens.ranges[index]
      let isFirst = index == 0 || range.lowerBound == 0
      if isFirst, addsPrefixSpace || isWord, leading == 1 { leading = 0 }
      var lower = range.lowerBound
      for _ in 0..<leading where lower < range.upperBound { _ = nextScalar(in: bytes, at: &lower) }
      range = lower..<range.upperBound
      var upper = range.upperBound
      for _ in 0..<trailing where upper > lower { upper = scalarBefore(upper, in: bytes).start }
      tokens.ranges[index] = lower..<upper
    }
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar == ByteAlphabet.space || CharacterClasses.isWhitespace(scalar)
  }
}
