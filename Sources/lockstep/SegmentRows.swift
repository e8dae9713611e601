import Kernels
import Shards
import Tokenizers

/// Pairs of segments for pre-training, as BERT's create_pretraining_data makes them: sentences of a
/// document up to the length of a row, cut in two at random; in half of the rows the second segment is
/// replaced by sentences of another document, and what it stood for is used again.
///
/// The same seed gives the same rows.
struct SegmentRows: ShardRows {
  /// Tokens by document and sentence.
  private let documents: [[[Int32]]]
  private let tokenizer: Tokenizer
  private let maxLength: Int
  private let seed: UInt64
  /// How many rows are shorter than they could be, at a random length.
  private let shortProbability: Double

  let labelNames: [String] = []
  let hasPairs = true
  let note: String? = nil

  init(
    _ texts: Documents, _ tokenizer: Tokenizer, maxLength: Int, seed: UInt64,
    shortProbability: Double
  ) throws {
    documents = texts.documents.map { document in
      document.map(tokenizer.tokens).filter { !$0.isEmpty }
    }.filter { !$0.isEmpty }
    guard documents.count > 1 else {
      throw ShardsError(
        place: "the documents", expected: "at least two with words", found: "\(documents.count)",
        remedy: "check that the tokenizer knows their language")
    }
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
    for index in documents.indices {
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
    let document = documents[index]
    var pairs: [Pair] = []
    var sentence = 0
    while sentence < document.count {
      let target =
        Double.random(in: 0..<1, using: &random) < shortProbability
        ? Int.random(in: 2...max(2, room), using: &random) : room
      var end = sentence
      var length = 0
      repeat {
        length += document[end].count
        end += 1
      } while end < document.count && length < target
      let chunk = sentence..<end
      let cut = chunk.count > 1 ? sentence + Int.random(in: 1..<chunk.count, using: &random) : end
      let first = document[sentence..<cut].flatMap(\.self)
      let isRandom = chunk.count == 1 || Bool.random(using: &random)
      var second = document[cut..<end].flatMap(\.self)
      sentence = end
      if isRandom {
        second = tokens(notOf: index, atLeast: max(1, target - first.count), &random)
        // What was replaced is still to be used.
        sentence = chunk.count == 1 ? end : cut
      }
      var pair = Pair(first: first, second: second, isRandom: isRandom)
      truncate(&pair, to: room, &random)
      pairs.append(pair)
    }
    return pairs
  }

  /// Neighbouring sentences of another document.
  private func tokens(
    notOf index: Int, atLeast count: Int, _ random: inout PhiloxStream
  ) -> [Int32] {
    let other = Int.random(in: 0..<documents.count - 1, using: &random)
    let document = documents[other < index ? other : other + 1]
    var tokens: [Int32] = []
    for sentence in document[Int.random(in: 0..<document.count, using: &random)...]
    where tokens.count < count { tokens += sentence }
    return tokens
  }

  /// Takes tokens from the longer segment, at either end as it happens.
  private func truncate(_ pair: inout Pair, to room: Int, _ random: inout PhiloxStream) {
    while pair.first.count + pair.second.count > room {
      let atFront = Bool.random(using: &random)
      if pair.first.count > pair.second.count {
        pair.first.remove(at: atFront ? 0 : pair.first.count - 1)
      } else {
        pair.second.remove(at: atFront ? 0 : pair.second.count - 1)
      }
    }
  }
}
