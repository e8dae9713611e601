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
    if labelNames.isEmpty { labelNames = try reader.tags() }
    var count = 0
    try forEachRow { _ in count += 1 }
    return count
  }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    let indices = Dictionary(zip(labelNames, Int32(0)...), uniquingKeysWith: { first, _ in first })
    var number = 0
    cutWords = 0
    try reader.forEachSentence { sentence in
      let tags = try zip(sentence.tags, sentence.places).map { name, place in
        guard let tag = indices[name] else {
          throw ShardsError(
            place: place, expected: "the tags \(labelNames.joined(separator: ", "))",
            found: name, remedy: "correct the tag, or name all with --labels")
        }
        return tag
      }
      let encoding = try tokenizer.encode(words: sentence.words, maxLength: maxLength)
      let words = encoding.words
      // A sentence that is not full was not cut.
      if encoding.ids.count == maxLength {
        let last = words.lazy.compactMap(\.self).last ?? -1
        cutWords += sentence.words.count - 1 - last
      }
      var previous: Int?
      let labels = words.map { word in
        defer { previous = word ?? previous }
        guard let word, word != previous else { return RowLabels.noTag }
        return tags[word]
      }
      try body(
        ShardRow(
          encoding: Encoding(ids: encoding.ids, typeIDs: encoding.typeIDs), id: String(number),
          labels: RowLabels(.tokenClassification, labels)))
      number += 1
    }
  }
}
