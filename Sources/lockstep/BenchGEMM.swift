import ArgumentParser
import Benchmarks
import Foundation
import Training

struct BenchGEMM: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemm",
    abstract: "Times the products of a model's linear layers, beside OpenBLAS's on their shapes.")

  @Option(help: "Model folder, or a size: minilm, bert-base, bert-large.", completion: .directory)
  var model = "minilm"
  @Option(help: "Rows of the products: the tokens of a batch.")
  var tokens = 220
  @Option(help: "Threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(tokens, "--tokens")
    try requireThreads(threads)
    try requireOneProcess()
  }

  func run() throws {
    let result = try GEMMBenchmark(
      model: BenchmarkModel(model), tokens: tokens,
      threads: threads ?? defaultThreads(localRanks: 1)
    ).run()
    writeLine(
      padded("layer", 18) + padded("pass", 10) + "  inputs  outputs  GFLOP/s  OpenBLAS  ratio")
    for row in result.shapes {
      writeLine(
        padded(row.layer, 18) + padded(row.pass.rawValue, 10)
          + String(
            format: "%8d %8d %8.1f %9.1f %6.2f", row.inputs, row.outputs, row.gflops,
            row.referenceGflops, row.gflops / row.referenceGflops))
    }
    writeLine(
      String(
        format: "all layers: %.1f GFLOP/s, OpenBLAS %.1f; ceiling %.1f GFLOP/s, %.0f %% of it; ",
        result.gflops, result.referenceGflops, result.ceilings.gflops, 100 * result.fraction)
        + "\(tokens) tokens, \(result.threads) threads")
    if format == .json { try printJSON(result) }
  }
}
