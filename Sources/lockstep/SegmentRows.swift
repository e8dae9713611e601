import Kernels
import Shards
import Tokenizers

/// Pairs of segments for pre-training, as BERT's create_pretraining_data makes them: sentences of a
/// document up to the length of a row, cut in two at random; in half of the rows the second segment is
/// replaced by sentences of another document, and what it stood for is used again.
///
/// The same seed gives the same rows.
struct SegmentRows: ShardRows {
  private let documents: TokenizedDocuments
  private let tokenizer: Tokenizer
  private let maxLength: Int
  private let seed: UInt64
  /// The share of documents whose rows are shorter than they could be, at a random length.
  private let shortProbability: Double

  let labelNames: [String] = []
  let hasPairs = true
  let note: String? = nil

  init(
    _ texts: Documents, _ tokenizer: Tokenizer, maxLength: Int, seed: UInt64,
    shortProbability: Double
  ) throws {
    var documents = TokenizedDocuments()
    try texts.forEach(
      sentence: { documents.append(tokenizer.tokens(of: $0)) }, end: { documents.endDocument() })
    // The next sentence of another document is needed.
    guard documents.count > 1 else {
      throw ShardsError(
        place: texts.names, expected: "at least two documents with words",
        found: "\(documents.count)",
        remedy: "put blank lines between documents; check that the tokenizer knows their language")
    }
    self.documents = documents
    self.tokenizer = tokenizer
    self.maxLength = maxLength
    self.seed = seed
    self.shortProbability = shortProbability
  }

  func countRows() throws -> Int {
    var count = 0
    try forEachRow { _ in count += 1 }
    return count
  }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    var random = PhiloxStream(seed: seed, epoch: 0)
    var number = 0
    for index in 0..<documents.count {
      for pair in pairs(ofDocument: index, &random) {
        let encoding = tokenizer.assemble(pair.first, pair: pair.second).encoding
        try body(
          ShardRow(
            encoding: encoding, id: String(number),
            labels: RowLabels(.pretraining, [pair.isRandom ? Int32(1) : 0])))
        number += 1
      }
    }
  }

  private struct Pair {
    var first: [Int32]
    var second: [Int32]
    let isRandom: Bool
  }

  private func pairs(ofDocument index: Int, _ random: inout PhiloxStream) -> [Pair] {
    let room = maxLength - tokenizer.numSpecialTokens(isPair: true)
    let document = documents.sentences(of: index)
    var pairs: [Pair] = []
    let target =
      Double.random(in: 0..<1, using: &random) < shortProbability
      ? Int.random(in: 2...max(2, room), using: &random) : room
    var sentence = document.lowerBound
    while sentence < document.upperBound {
      var end = sentence
      var length = 0
      repeat {
        length += documents.tokens(of: end..<end + 1).count
        end += 1
      } while end < document.upperBound && length < target
      let chunk = sentence..<end
      let cut = chunk.count > 1 ? sentence + Int.random(in: 1..<chunk.count, using: &random) : end
      let first = documents.tokens(of: sentence..<cut)
      let isRandom = chunk.count == 1 || Bool.random(using: &random)
      var second = documents.tokens(of: cut..<end)
      sentence = end
      if isRandom {
        second = tokens(notOf: index, atLeast: max(1, target - first.count), &random)
        // What was replaced is still to be used.
        sentence = chunk.count == 1 ? end : cut
      }
      var pair = Pair(first: Array(first), second: Array(second), isRandom: isRandom)
      truncate(&pair, to: room, &random)
      pairs.append(pair)
    }
    return pairs
  }

  /// Neighbouring sentences of another document.
  private func tokens(
    notOf index: Int, atLeast count: Int, _ random: inout PhiloxStream
  ) -> ArraySlice<Int32> {
    let other = Int.random(in: 0..<documents.count - 1, using: &random)
    let document = documents.sentences(of: other < index ? other : other + 1)
    let first = Int.random(in: document, using: &random)
    var end = first
    repeat {
      end += 1
    } while end < document.upperBound && documents.tokens(of: first..<end).count < count
    return documents.tokens(of: first..<end)
  }

  /// Takes tokens from the longer segment, at either end as it happens.
  private func truncate(_ pair: inout Pair, to room: Int, _ random: inout PhiloxStream) {
    var (first, second) = (pair.first.indices, pair.second.indices)
    while first.count + second.count > room {
      let atFront = Bool.random(using: &random)
      let isFirst = first.count > second.count
      let long = isFirst ? first : second
      let short = atFront ? long.dropFirst() : long.dropLast()
      if isFirst { first = short } else { second = short }
    }
    (pair.first, pair.second) = (Array(pair.first[first]), Array(pair.second[second]))
  }
}

/// The tokens of all documents, one after the other: 4 bytes a token and 8 a sentence, since any of them may
/// be the random next sentence of another.
private struct TokenizedDocuments {
  private var tokens: [Int32] = []
  /// [sentences + 1] Tokens before each sentence.
  private var sentenceStarts = [0]
  /// [documents + 1] Sentences before each document.
  private var documentStarts = [0]

  var count: Int { documentStarts.count - 1 }

  /// A sentence of no token is passed over.
  mutating func append(_ sentence: [Int32]) {
    guard !sentence.isEmpty else { return }
    tokens += sentence
    sentenceStarts.append(tokens.count)
  }

  /// A document of no sentence is passed over.
  mutating func endDocument() {
    let sentences = sentenceStarts.count - 1
    if documentStarts[count] < sentences { documentStarts.append(sentences) }
  }

  func sentences(of document: Int) -> Range<Int> {
    documentStarts[document]..<documentStarts[document + 1]
  }

  func tokens(of sentences: Range<Int>) -> ArraySlice<Int32> {
    tokens[sentenceStarts[sentences.lowerBound]..<sentenceStarts[sentences.upperBound]]
  }
}
