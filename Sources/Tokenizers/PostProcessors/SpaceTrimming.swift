/// Takes the spaces that tokens of byte-level models begin or end with out of what they stand for
/// (`trim_offsets` of Hugging Face's RobertaProcessing).
struct SpaceTrimming: Sendable, Equatable {
  /// Whether the first token's space may be one that the pre-tokenizer put there.
  var addsPrefixSpace: Bool

  /// Trims what the tokens from index `start` on stand for in `text`. `isWord` says that it is a word
  /// of a text that was given as words; `token` gives a token by id.
  func trim(
    _ tokens: inout AlignedTokens, from start: Int, of text: String, isWord: Bool,
    token: (Int32) -> String?
  ) {
    let bytes = text.utf8.span
    for index in start..<tokens.count {
      let range = tokens.ranges[index]
      var (leading, trailing) =
        tokens.matches[index] ?? Self.spaces(around: token(tokens.ids[index]) ?? "")
      if leading == 0, trailing == 0 { continue }
      let isFirst = index == 0 || range.lowerBound == 0
      if isFirst, addsPrefixSpace || isWord, leading == 1 { leading = 0 }
      var lower = range.lowerBound
      for _ in 0..<leading where lower < range.upperBound { _ = nextScalar(in: bytes, at: &lower) }
      var upper = range.upperBound
      for _ in 0..<trailing where upper > lower { upper = scalarBefore(upper, in: bytes).start }
      tokens.ranges[index] = lower..<upper
    }
  }

  /// How many scalars of white space a token begins and ends with.
  static func spaces(around token: String) -> (leading: Int, trailing: Int) {
    let scalars = token.unicodeScalars
    return (
      scalars.prefix(while: isSpace).count, scalars.reversed().prefix(while: isSpace).count
    )
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar == ByteAlphabet.space || CharacterClasses.isWhitespace(scalar)
  }
}
