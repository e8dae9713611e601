/// Token ids of a text or a pair, special tokens included.
package struct Encoding: Sendable, Equatable {
  /// [tokens]
  package var ids: [Int32]
  /// [tokens]: 0 for the first text and its special tokens, 1 for the second one's, in BERT.
  package var typeIDs: [UInt8]

  package init(ids: [Int32], typeIDs: [UInt8]) {
    self.ids = ids
    self.typeIDs = typeIDs
  }
}

/// Where a token comes from.
package struct TokenSource: Sendable, Equatable {
  package enum Text: Sendable { case first, second }

  package var text: Text
  /// For texts that were given as words, the index of the token's word; else nil.
  package var word: Int?
  /// What of the text, or of the word, the token stands for, in bytes of UTF-8 as it was given,
  /// before any normalising; always whole scalars. Empty for a token that stands for nothing there.
  package var bytes: Range<Int>

  package init(text: Text, word: Int?, bytes: Range<Int>) {
    self.text = text
    self.word = word
    self.bytes = bytes
  }
}

/// Token ids and where each comes from.
package struct AlignedEncoding: Sendable, Equatable {
  /// [tokens]
  package var ids: [Int32]
  /// [tokens], as in `Encoding`.
  package var typeIDs: [UInt8]
  /// [tokens]; nil for the special tokens around the texts.
  package var sources: [TokenSource?]

  package init(ids: [Int32], typeIDs: [UInt8], sources: [TokenSource?]) {
    self.ids = ids
    self.typeIDs = typeIDs
    self.sources = sources
  }

  /// [tokens]: for texts that were given as words the index of each token's word, nil for special
  /// tokens; Hugging Face's `word_ids`. A word that nothing is left of has no token.
  package var words: [Int?] { sources.map { $0?.word } }
}
