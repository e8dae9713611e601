import Kernels
import Shards
import Tokenizers

/// Times the tokenizer on the text column of a table, on one thread.
package final class TokenizeBenchmark {
  package struct Result: Encodable, Sendable {
    package let benchmark = "tokenize"
    package let input: String
    package let rows: Int
    package let tokens: Int
    /// UTF-8 of the texts.
    package let bytes: Int
    /// Of the median pass over all rows, and of the best.
    package let tokensPerSecond: Double
    package let bestTokensPerSecond: Double
    package let megabytesPerSecond: Double
    package let passes: Int
    package let ceilings: MachineCeilings
    /// Bytes of text by the triad's rate of one thread.
    package let fraction: Double

    enum CodingKeys: String, CodingKey {
      case benchmark, input, rows, tokens, bytes, passes, ceilings
      case tokensPerSecond = "tokens_per_second"
      case bestTokensPerSecond = "tokens_per_second_best"
      case megabytesPerSecond = "megabytes_per_second"
      case fraction = "fraction_of_triad"
    }
  }

  private let input: String
  private let tokenizer: Tokenizer
  private let maxLength: Int?
  private var texts: [(text: String, pair: String?)] = []

  /// Reads the table, which stays in memory.
  ///
  /// - Parameter maxLength: The most tokens a row; nil: rows keep their length.
  /// - Throws: An error naming the file and line.
  package init(
    modelFolder: String, input: String, format: DatasetFormat?, columns: DatasetColumns,
    maxLength: Int?
  ) throws {
    self.input = input
    self.maxLength = maxLength
    tokenizer = try Tokenizer(modelFolder: modelFolder)
    let reader = try DatasetReader(paths: [input], format: format, columns: columns)
    try reader.forEachRow { texts.append(($0.text, $0.pair)) }
    guard !texts.isEmpty else {
      throw BenchmarkError(
        place: input, expected: "rows to tokenize", found: "none", remedy: "name another --input")
    }
  }

  /// - Throws: `BenchmarkError` where a second pass gives other ids.
  package func run(passes: Int) throws -> Result {
    precondition(passes > 0, "nothing to time")
    let ceilings = try MachineCeilings(ThreadPool(threads: 1))
    let first = try encodings()
    let second = try encodings()
    if let row = first.indices.first(where: { first[$0] != second[$0] }) {
      throw BenchmarkError(
        place: "row \(row) of \(input), counted from 0", expected: "\(first[row].ids)",
        found: "\(second[row].ids) the second time", remedy: "test this machine's memory")
    }
    let times = Timings(
      try (0..<passes).map { _ in
        try secondsOf {
          for (text, pair) in texts {
            _ = try tokenizer.encode(text, pair: pair, maxLength: maxLength)
          }
        }
      })
    let tokens = first.reduce(0) { $0 + $1.ids.count }
    let bytes = texts.reduce(0) { $0 + $1.text.utf8.count + ($1.pair?.utf8.count ?? 0) }
    let rate = Double(bytes) / times.median
    return Result(
      input: input, rows: texts.count, tokens: tokens, bytes: bytes,
      tokensPerSecond: Double(tokens) / times.median,
      bestTokensPerSecond: Double(tokens) / times.best, megabytesPerSecond: rate / 1e6,
      passes: passes, ceilings: ceilings,
      fraction: rate / (ceilings.gigabytesPerSecond * 1e9))
  }

  private func encodings() throws -> [Encoding] {
    try texts.map { try tokenizer.encode($0.text, pair: $0.pair, maxLength: maxLength) }
  }
}
