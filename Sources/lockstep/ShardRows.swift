import Shards
import Tokenizers

/// A row as it goes into a shard.
struct ShardRow {
  var encoding: Encoding
  let id: String
  let labels: RowLabels
  var context: AnswerContext?
}

/// Something that rows come from, twice: to be counted, and to be written.
protocol ShardRows {
  /// Known once the rows are counted.
  var labelNames: [String] { get }
  /// Whether tokens have types.
  var hasPairs: Bool { get }
  /// What the user should know of rows that did not fit; known once they are counted.
  var note: String? { get }
  func countRows() throws -> Int
  func forEachRow(_ body: (ShardRow) throws -> Void) throws
}

/// Texts or pairs with labels in the columns of a table.
struct TableRows: ShardRows {
  let reader: DatasetReader
  let tokenizer: Tokenizer
  let maxLength: Int

  var labelNames: [String] { reader.labelNames }
  var hasPairs: Bool { reader.hasPairs }
  var note: String? { nil }

  func countRows() throws -> Int { try reader.countRows() }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    try reader.forEachRow { row in
      try body(
        ShardRow(
          encoding: tokenizer.encode(row.text, pair: row.pair, maxLength: maxLength), id: row.id,
          labels: row.labels))
    }
  }
}

/// Sentences whose words are tagged: the first token of a word has its tag, all others none.
final class TaggedRows: ShardRows {
  private let reader: TaggedSentenceReader
  private let tokenizer: Tokenizer
  private let maxLength: Int
  private(set) var labelNames: [String]
  private var cutWords = 0

  let hasPairs = false
  var note: String? {
    cutWords == 0 ? nil : "\(cutWords) words lie beyond --max-length \(maxLength) and have no tag"
  }

  /// - Parameter labels: All tags in their order; nil: those that occur, `O` first.
  init(_ reader: TaggedSentenceReader, _ tokenizer: Tokenizer, maxLength: Int, labels: [String]?) {
    self.reader = reader
    self.tokenizer = tokenizer
    self.maxLength = maxLength
    labelNames = labels ?? []
  }

  func countRows() throws -> Int {
    var (count, tags) = (0, Set<String>())
    cutWords = 0
    try reader.forEachSentence { sentence in
      count += 1
      tags.formUnion(sentence.tags)
      cutWords += sentence.words.count - aligned(sentence).words.count { $0 != nil }
    }
    if labelNames.isEmpty {
      labelNames = tags.sorted { ($0 != "O" ? 1 : 0, $0) < ($1 != "O" ? 1 : 0, $1) }
    }
    return count
  }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    let indices = Dictionary(zip(labelNames, Int32(0)...), uniquingKeysWith: { first, _ in first })
    var number = 0
    try reader.forEachSentence { sentence in
      let (encoding, words) = aligned(sentence)
      let tags = try words.map { word in
        guard let word else { return RowLabels.noTag }
        guard let tag = indices[sentence.tags[word]] else {
          throw ShardsError(
            place: sentence.place, expected: "the tags \(labelNames.joined(separator: ", "))",
            found: sentence.tags[word], remedy: "correct the tag, or name all with --labels")
        }
        return tag
      }
      try body(
        ShardRow(
          encoding: encoding, id: String(number), labels: RowLabels(.tokenClassification, tags)))
      number += 1
    }
  }

  /// The tokens of a sentence, and of those that begin a word which.
  private func aligned(_ sentence: TaggedSentence) -> (encoding: Encoding, words: [Int?]) {
    let room = maxLength - tokenizer.numSpecialTokens(isPair: false)
    var (ids, words): ([Int32], [Int?]) = ([], [])
    for (index, word) in sentence.words.enumerated() where ids.count < room {
      let tokens = tokenizer.tokens(of: word)
      ids += tokens
      words += tokens.indices.map { $0 == 0 ? index : nil }
    }
    let (encoding, start, _) = tokenizer.assemble(Array(ids.prefix(room)))
    let own = words.prefix(room)
    let after = encoding.ids.count - start - own.count
    return (
      encoding,
      [Int?](repeating: nil, count: start) + own + [Int?](repeating: nil, count: after)
    )
  }
}
