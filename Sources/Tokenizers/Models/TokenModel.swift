/// How words are cut out of a normalised text and made into tokens. Each model has the pre-tokenizer
/// that it was trained with.
enum TokenModel: Sendable {
  case wordPiece(BertPreTokenizer, WordPiece)
  case bytePairs(ByteLevelPreTokenizer, BytePairEncoding)
  case unigram(MetaspacePreTokenizer, Unigram)
  case codePoints

  /// Appends the tokens of `text[part]`, with ranges in `text`. `isFirst` says whether the part begins
  /// the whole text; `isWord` that it is a word of a text that was given as words, which byte-level
  /// models see with a space before. Soon after `limit` tokens it stops.
  func tokenize<Tokens: TokenOutput>(
    _ part: Range<Int>, of text: Span<UInt8>, isFirst: Bool, isWord: Bool, limit: Int,
    into tokens: inout Tokens
  ) {
    switch self {
    case .wordPiece(let splitter, let model):
      var position = part.lowerBound
      while tokens.count < limit,
        let word = splitter.nextWord(in: text, from: &position, to: part.upperBound)
      {
        model.tokenize(word, of: text, into: &tokens)
      }
    case .bytePairs(let splitter, let model):
      let isPrefixed =
        (splitter.addsPrefixSpace || isWord) && text[part.lowerBound] != UInt8(ascii: " ")
      if !isPrefixed, part == 0..<text.count {
        Self.tokenize(text, splitter, model, limit: limit, into: &tokens)
        return
      }
      var copy = Tokens.Text()
      var first = part.lowerBound
      _ = nextScalar(in: text, at: &first)
      if isPrefixed { copy.append(UInt8(ascii: " "), source: part.lowerBound..<first) }
      copy.append(contentsOf: text, in: part)
      let start = tokens.count
      Self.tokenize(copy.bytes.span, splitter, model, limit: limit, into: &tokens)
      tokens.resolve(from: start, in: copy, offset: 0)
    case .unigram(let splitter, let model):
      tokenize(
        part, of: text, splitter, model, isFirst: isFirst, limit: limit, into: &tokens)
    case .codePoints:
      CodePoints.tokenize(part, of: text, limit: limit, into: &tokens)
    }
  }

  private static func tokenize(
    _ text: Span<UInt8>, _ splitter: ByteLevelPreTokenizer, _ model: BytePairEncoding, limit: Int,
    into tokens: inout some TokenOutput
  ) {
    var position = 0
    while tokens.count < limit, let word = splitter.nextWord(in: text, from: &position) {
      model.tokenize(word, of: text, into: &tokens)
    }
  }

  private func tokenize<Tokens: TokenOutput>(
    _ part: Range<Int>, of text: Span<UInt8>, _ splitter: MetaspacePreTokenizer,
    _ model: Unigram, isFirst: Bool, limit: Int, into tokens: inout Tokens
  ) {
    let replacement = Array(String(splitter.replacement).utf8)
    var rewritten = Tokens.Text()
    for piece in splitter.parts(of: part, of: text) where tokens.count < limit {
      rewritten.removeAll()
      splitter.rewrite(
        piece, of: text, isFirst: isFirst && piece.lowerBound == part.lowerBound, into: &rewritten)
      let start = tokens.count
      let span = rewritten.bytes.span
      var position = 0
      while tokens.count < limit,
        let word = splitter.nextWord(in: span, from: &position, replacement)
      {
        model.tokenize(word, of: span, into: &tokens)
      }
      tokens.resolve(from: start, in: rewritten, offset: 0)
    }
  }
}
