import ArgumentParser
import Benchmarks
import Foundation
import Shards
import Tokenizers

struct BenchTokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Times the tokenizer on the text column of a table, on one thread.")

  @Option(help: "Model folder; only its tokenizer files are read.", completion: .directory)
  var model: String
  @Option(help: "Table as for lockstep shard: .tsv, .txt, .csv or .jsonl.")
  var input: String
  @Option(help: "Column of the text. (default: Tweet, else text, else sentence)")
  var textColumn: String?
  @Option(help: "Column of the second text, where rows are pairs.")
  var pairColumn: String?
  @Option(help: "How the file is written: tsv, csv or jsonl. (default: by its extension)")
  var inputFormat: DatasetFormat?
  @Option(help: "The most tokens a row. (default: rows keep their length)")
  var maxLength: Int?
  @Option(help: "Times that the whole table is tokenized.")
  var passes = 5
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(passes, "--passes")
    try requirePositive(maxLength, "--max-length")
    try requireOneProcess()
  }

  func run() throws {
    let benchmark = try TokenizeBenchmark(
      modelFolder: model, input: input, format: inputFormat,
      columns: DatasetColumns(text: textColumn, pair: pairColumn), maxLength: maxLength)
    let result = try benchmark.run(passes: passes)
    writeTable([
      ("rows", "\(result.rows), \(result.tokens) tokens, \(result.bytes) bytes"),
      (
        "rate",
        String(
          format: "%.0f tokens a second (median of %d), %.0f (best), %.1f MB/s",
          result.tokensPerSecond, result.passes, result.bestTokensPerSecond,
          result.megabytesPerSecond)
      ),
      (
        "ceilings",
        String(
          format: "one thread: %.1f GFLOP/s, %.1f GB/s", result.ceilings.gflops,
          result.ceilings.gigabytesPerSecond)
      ),
    ])
    if format == .json { try printJSON(result) }
  }
}
