/// A token, and the part of the text that it comes from.
package struct LocatedToken: Sendable, Equatable {
  package let id: Int32
  /// In the text's UTF-8.
  package let range: Range<Int>
}

extension Tokenizer {
  /// The tokens of a text without special tokens around, each with its place in the text.
  ///
  /// The text is cut where BERT cuts it in any case (at white space, around punctuation and around Chinese
  /// characters), and each piece is tokenized by itself, which gives the ids of the whole text. Tokens of
  /// a piece that are its letters one after the other have their own ranges, as in Hugging Face's
  /// offsets; where normalising changed the piece by more than ASCII case, and for unknown words, they
  /// have that of the piece.
  ///
  /// Special tokens that are spelled out in the text are text.
  package func locatedTokens(of text: String) -> [LocatedToken] {
    let utf8 = Array(text.utf8)
    let bytes = utf8.span
    var tokens: [LocatedToken] = []
    var position = 0
    var start = 0
    func close(at end: Int) {
      if start < end { tokens += locatedTokens(ofPiece: start..<end, of: utf8[start..<end]) }
    }
    while position < bytes.count {
      let before = position
      let scalar = nextScalar(in: bytes, at: &position)
      switch cut(at: scalar) {
      case .none: continue
      case .space: close(at: before)
      case .alone:
        close(at: before)
        start = before
        close(at: position)
      }
      start = position
    }
    close(at: bytes.count)
    return tokens
  }

  private enum Cut { case none, space, alone }

  private func cut(at scalar: Unicode.Scalar) -> Cut {
    let settings = definition.normalizer
    if settings.cleansText, CharacterClasses.isRemovedByCleaning(scalar) { return .none }
    if CharacterClasses.isWhitespace(scalar) { return .space }
    if CharacterClasses.isPunctuation(scalar) { return .alone }
    return settings.splitsChinese && CharacterClasses.isChinese(scalar) ? .alone : .none
  }

  private func locatedTokens(
    ofPiece piece: Range<Int>, of text: ArraySlice<UInt8>
  ) -> [LocatedToken] {
    let bytes = Array(text)
    let ids = tokens(of: String(decoding: bytes, as: UTF8.self))
    let prefix = definition.continuationPrefix.utf8
    var (position, spelled): (Int, [LocatedToken]) = (0, [])
    for (index, id) in ids.enumerated() {
      let whole = Array((token(of: id) ?? "").utf8)
      let letters =
        index > 0 && whole.starts(with: prefix) ? whole[prefix.count...] : whole[...]
      let end = position + letters.count
      guard end <= bytes.count, zip(letters, bytes[position..<end]).allSatisfy(isSameLetter)
      else {
        return ids.map { LocatedToken(id: $0, range: piece) }
      }
      let base = piece.lowerBound
      spelled.append(LocatedToken(id: id, range: base + position..<base + end))
      position = end
    }
    return position == bytes.count ? spelled : ids.map { LocatedToken(id: $0, range: piece) }
  }
}

/// Whether a letter is another but for ASCII case.
private func isSameLetter(_ token: UInt8, _ text: UInt8) -> Bool {
  token == text || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(text) && token == text | 0x20
}
