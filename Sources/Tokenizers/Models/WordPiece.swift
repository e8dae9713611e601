/// The WordPiece model: a word becomes the longest vocabulary entries that it is made of, from its
/// start on, entries after the first one carrying a prefix (`##`). A word that cannot be made so, or
/// that is too long, becomes the unknown token.
struct WordPiece: Sendable {
  let unknownID: Int32
  /// Words of more scalars are unknown.
  let maxScalarsPerWord: Int
  private let trie: ByteTrie
  /// Where entries with the prefix begin, nil if there are none.
  private let continuationRoot: ByteTrie.Node?

  init(trie: ByteTrie, unknownID: Int32, continuationPrefix: String, maxScalarsPerWord: Int) {
    self.trie = trie
    self.unknownID = unknownID
    self.maxScalarsPerWord = maxScalarsPerWord
    continuationRoot = trie.node(after: continuationPrefix.utf8)
  }

  /// Appends the tokens of the word `text[word]`, which is not empty.
  func tokenize(_ word: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput) {
    if word.count > maxScalarsPerWord, scalarCount(of: word, in: text) > maxScalarsPerWord {
      tokens.append(unknownID, range: word)
      return
    }
    let count = tokens.count
    var start: ByteTrie.Node? = ByteTrie.root
    var position = word.lowerBound
    while position < word.upperBound {
      guard let below = start,
        let match = trie.longestMatch(in: text, from: position, to: word.upperBound, below: below)
      else {
        tokens.truncate(to: count)
        tokens.append(unknownID, range: word)
        return
      }
      tokens.append(match.value, range: position..<match.end)
      position = match.end
      start = continuationRoot
    }
  }

  private func scalarCount(of word: Range<Int>, in text: Span<UInt8>) -> Int {
    var count = 0
    for position in word where text[position] & 0xC0 != 0x80 { count += 1 }
    return count
  }
}
