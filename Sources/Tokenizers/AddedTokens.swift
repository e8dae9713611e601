/// A token that is looked for in the text itself before words are cut: `[MASK]`, `[SEP]` and what a
/// model's author added. Field names in brackets are those of tokenizer.json.
struct AddedToken: Sendable, Equatable {
  var content: String
  var id: Int32
  /// Left out when decoding, if asked (`special`).
  var isSpecial: Bool
  /// Matches only where no word character stands beside it (`single_word`).
  var isSingleWord = false
  /// Takes the white space before it (`lstrip`) and after it (`rstrip`) along.
  var stripsLeft = false
  var stripsRight = false
  /// Is looked for, in normal form, in the normalised text, else as it is in the text as it is
  /// (`normalized`).
  var isNormalized = false
}

/// Finds added tokens in a text as Hugging Face's AddedVocabulary does (tokenizers/src/tokenizer/
/// added_vocabulary.rs): leftmost first, of those the longest, matches not overlapping.
struct AddedTokenMatcher: Sendable {
  /// A stretch of text; `id` is nil where no added token was found.
  struct Piece: Equatable {
    var range: Range<Int>
    var id: Int32?
  }

  private let tokens: [AddedToken]
  /// Patterns, with indices of `tokens` as values.
  private var trie = ByteTrie()
  private var isFirstByte = [Bool](repeating: false, count: 256)

  /// `patterns[i]` is what `tokens[i]` looks like in a text; not empty. Of equal patterns the first
  /// counts.
  init(tokens: [AddedToken], patterns: [[UInt8]]) {
    self.tokens = tokens
    for (index, pattern) in patterns.enumerated() {
      _ = trie.insert(pattern, value: Int32(index))
      isFirstByte[Int(pattern[0])] = true
    }
  }

  var isEmpty: Bool { tokens.isEmpty }

  /// Cuts `text` into added tokens and what lies between them.
  func split(_ text: Span<UInt8>) -> [Piece] {
    var pieces: [Piece] = []
    var position = 0
    var pieceStart = 0
    while position < text.count {
      guard isFirstByte[Int(text[position])],
        let match = trie.longestMatch(
          in: text, from: position, to: text.count, below: ByteTrie.root)
      else {
        position += 1
        continue
      }
      let token = tokens[Int(match.value)]
      var start = position
      var end = match.end
      position = match.end
      // A match that is not a single word is passed over whole.
      if token.isSingleWord, touchesWord(start..<end, in: text) { continue }
      if token.stripsLeft { start = max(startOfWhitespace(before: start, in: text), pieceStart) }
      if token.stripsRight { end = endOfWhitespace(after: end, in: text) }
      // White space that the match before took along may reach beyond this one.
      end = max(start, end)
      if pieceStart < start { pieces.append(Piece(range: pieceStart..<start, id: nil)) }
      pieces.append(Piece(range: start..<end, id: token.id))
      pieceStart = end
    }
    if pieceStart < text.count { pieces.append(Piece(range: pieceStart..<text.count, id: nil)) }
    return pieces
  }

  private func touchesWord(_ range: Range<Int>, in text: Span<UInt8>) -> Bool {
    if range.lowerBound > 0,
      CharacterClasses.isWordCharacter(scalarBefore(range.lowerBound, in: text).scalar)
    {
      return true
    }
    guard range.upperBound < text.count else { return false }
    var position = range.upperBound
    return CharacterClasses.isWordCharacter(nextScalar(in: text, at: &position))
  }

  private func startOfWhitespace(before end: Int, in text: Span<UInt8>) -> Int {
    var start = end
    while start > 0 {
      let previous = scalarBefore(start, in: text)
      guard CharacterClasses.isWhitespace(previous.scalar) else { break }
      start = previous.start
    }
    return start
  }

  private func endOfWhitespace(after start: Int, in text: Span<UInt8>) -> Int {
    var end = start
    while end < text.count {
      var next = end
      guard CharacterClasses.isWhitespace(nextScalar(in: text, at: &next)) else { break }
      end = next
    }
    return end
  }
}
