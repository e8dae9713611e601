/// A token, and the part of the text that it comes from.
package struct LocatedToken: Sendable, Equatable {
  package let id: Int32
  /// In the text's UTF-8, as `TokenSource.bytes` has it.
  package let range: Range<Int>
}

extension Tokenizer {
  /// The tokens of a text without special tokens around, those of ``tokens(of:)``, each with its place
  /// in the text.
  package func locatedTokens(of text: String) -> [LocatedToken] {
    let tokens = aligned(text, limit: .max)
    return zip(tokens.ids, tokens.ranges).map { LocatedToken(id: $0, range: $1) }
  }
}
