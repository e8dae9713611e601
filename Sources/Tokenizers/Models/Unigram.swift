/// SentencePiece's unigram model: of all ways to cut a word into pieces of the vocabulary the one with
/// the highest sum of scores (Kudo, 2018), computed as Hugging Face's `Unigram` does.
struct Unigram: Sendable {
  private let trie: ByteTrie
  /// By id.
  private let scores: [Double]
  private let unknownID: Int32
  private let unknownScore: Double
  /// By byte, for what no piece matches to become the tokens of its bytes, if all of them have one.
  private let byteIDs: [Int32?]

  init(trie: ByteTrie, scores: [Double], unknownID: Int32, byteIDs: [Int32?]) {
    self.trie = trie
    self.scores = scores
    self.unknownID = unknownID
    self.byteIDs = byteIDs
    var lowest = Double.infinity
    for score in scores where score < lowest { lowest = score }
    unknownScore = lowest - 10
  }

  /// Pieces of published models have some tens of bytes; the time of a word grows with the longest.
  static let maxBytesPerPiece = 1024

  static func check(_ pieces: [Vocabulary.Entry]) throws {
    for piece in pieces where piece.token.utf8.count > maxBytesPerPiece {
      throw TokenizerError(
        place: piece.place, expected: "pieces of at most \(maxBytesPerPiece) bytes",
        found: "one of \(piece.token.utf8.count)",
        remedy: "take the vocabulary of the pretrained model as it was published")
    }
  }

  /// Appends the tokens of the word `text[word]`, which is not empty.
  func tokenize(_ word: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput) {
    tokens.appendOnce(word, of: text) { appendBest(word, of: text, into: &$0) }
  }

  /// The best way to cut the word up to a position: its score and its last piece.
  private struct Path {
    var score = 0.0
    /// Where the last piece begins; -1 if nothing leads here.
    var start = -1
    var id: Int32 = 0

    mutating func improve(score: Double, start: Int, id: Int32) {
      if self.start < 0 || score > self.score {
        self = Path(score: score, start: start, id: id)
      }
    }
  }

  private func appendBest(
    _ word: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput
  ) {
    let base = word.lowerBound
    var paths = [Path](repeating: Path(), count: word.count + 1)
    var position = base
    while position < word.upperBound {
      let score = paths[position - base].score
      var next = position
      _ = nextScalar(in: text, at: &next)
      var hasScalar = false
      trie.forEachMatch(in: text, from: position, to: word.upperBound) { id, end in
        paths[end - base].improve(score: scores[Int(id)] + score, start: position, id: id)
        if end == next { hasScalar = true }
      }
      if !hasScalar {
        paths[next - base].improve(score: unknownScore + score, start: position, id: unknownID)
      }
      position = next
    }
    appendPieces(of: paths, word, of: text, into: &tokens)
  }

  /// Goes back from the end; neighbouring unknown pieces become one.
  private func appendPieces(
    of paths: [Path], _ word: Range<Int>, of text: Span<UInt8>,
    into tokens: inout some TokenOutput
  ) {
    var pieces: [(range: Range<Int>, isUnknown: Bool, id: Int32)] = []
    var end = word.upperBound
    while end > word.lowerBound {
      let path = paths[end - word.lowerBound]
      let isUnknown = path.id == unknownID
      if isUnknown, let last = pieces.last, last.isUnknown {
        pieces[pieces.count - 1].range = path.start..<last.range.upperBound
      } else {
        pieces.append((path.start..<end, isUnknown, path.id))
      }
      end = path.start
    }
    for piece in pieces.reversed() {
      if piece.isUnknown {
        appendUnknown(piece.range, of: text, into: &tokens)
      } else {
        tokens.append(piece.id, range: piece.range)
      }
    }
  }

  private func appendUnknown(
    _ range: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput
  ) {
    // Unknown pieces together can be one of the vocabulary that lost to them by its score.
    if let id = trie.value(of: range, in: text) {
      tokens.append(id, range: range)
      return
    }
    let count = tokens.count
    for position in range {
      guard let id = byteIDs[Int(text[position])] else {
        tokens.truncate(to: count)
        tokens.append(unknownID, range: range)
        return
      }
      tokens.append(id, range: range)
    }
  }
}
