/// Encoding with where each token comes from, as token classification and question answering need
/// it. The ids are those that `encode(_:pair:maxLength:)` gives.
extension Tokenizer {
  /// `encode(_:pair:maxLength:)` with sources: Hugging Face's `offset_mapping`, in bytes of UTF-8
  /// instead of characters.
  package func encodeAligned(
    _ text: String, pair: String? = nil, maxLength: Int? = nil
  ) throws -> AlignedEncoding {
    let budget = try budget(maxLength: maxLength, isPair: pair != nil)
    let first = aligned(text, limit: pair == nil ? budget : .max)
    guard let pair else {
      return encoding(first, kept: 0..<min(budget, first.count), nil, kept: 0..<0)
    }
    let second = aligned(pair, limit: .max)
    let kept = kept(first: first.count, second: second.count, budget: budget)
    return encoding(first, kept: 0..<kept.first, second, kept: 0..<kept.second)
  }

  /// A text that is split into words already; each is tokenized as a text of its own. Sources tell
  /// the words apart; a word that nothing is left of has no token. Hugging Face's
  /// `is_split_into_words`, for byte-level models with `add_prefix_space`, which it asks for there.
  package func encode(words: some Sequence<String>, maxLength: Int? = nil) throws -> AlignedEncoding
  {
    let budget = try budget(maxLength: maxLength, isPair: false)
    var tokens = AlignedTokens()
    var wordOfToken: [Int] = []
    for (index, word) in words.enumerated() where tokens.count < budget {
      let start = tokens.count
      tokenize(word, isWord: true, limit: budget, into: &tokens)
      trimming?.trim(&tokens, from: start, of: word, isWord: true, token: token(of:))
      wordOfToken += repeatElement(index, count: tokens.count - wordOfToken.count)
    }
    let kept = 0..<min(budget, tokens.count)
    let sources = kept.map {
      TokenSource(text: .first, word: wordOfToken[$0], bytes: tokens.ranges[$0])
    }
    return template.apply(first: (tokens.ids[kept], sources), second: nil)
  }

  /// The tokens of `text`, not much more than `limit`.
  func aligned(_ text: String, limit: Int) -> AlignedTokens {
    var tokens = AlignedTokens()
    tokenize(text, limit: limit, into: &tokens)
    trimming?.trim(&tokens, from: 0, of: text, isWord: false, token: token(of:))
    return tokens
  }

  private func encoding(
    _ first: AlignedTokens, kept firstKept: Range<Int>, _ second: AlignedTokens?,
    kept secondKept: Range<Int>
  ) -> AlignedEncoding {
    func part(
      _ tokens: AlignedTokens, _ kept: Range<Int>, _ text: TokenSource.Text
    ) -> (ArraySlice<Int32>, [TokenSource]) {
      let sources = kept.map { TokenSource(text: text, word: nil, bytes: tokens.ranges[$0]) }
      return (tokens.ids[kept], sources)
    }
    return template.apply(
      first: part(first, firstKept, .first),
      second: second.map { part($0, secondKept, .second) })
  }
}
