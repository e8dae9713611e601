import ArgumentParser
import Benchmarks
import Foundation

struct BenchShards: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shards",
    abstract: "Times writing, random reading and verifying of shards of made-up rows.")

  @Option(help: "Rows to make up.")
  var rows = 50_000
  @Option(help: "Files to write.")
  var shards = 4
  @Option(help: "Rows that are read at a time.")
  var batchSize = 8
  @Option(help: "Seed of the rows and of the order of reading.")
  var seed: UInt64 = 42
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(rows, "--rows")
    try requirePositive(shards, "--shards")
    try requirePositive(batchSize, "--batch-size")
    try requireOneProcess()
  }

  func run() throws {
    let result = try ShardsBenchmark(rows: rows, shards: shards, batchSize: batchSize, seed: seed)
      .run()
    func text(_ rate: ShardsBenchmark.Rate) -> String {
      String(format: "%.0f rows/s, %.1f MB/s", rate.rowsPerSecond, rate.megabytesPerSecond)
    }
    writeTable([
      (
        "rows",
        "\(result.rows), \(result.tokens) tokens in \(result.shards) files of \(result.fileBytes) "
          + "bytes together"
      ),
      ("write", text(result.write)),
      ("verify", text(result.verify) + " of files"),
      ("read, first epoch", text(result.read)),
      ("read, from memory", text(result.readAgain)),
      ("read, from files", text(result.readFiles)),
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
