import ArgumentParser
import Benchmarks
import Foundation
import Training

struct BenchStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "Times the trainer's own step, over the ranks that mpirun started.",
    discussion: """
      Dropout, exchange, clipping and optimizer included. Without --train the rows are made up: as \
      long as tweets, with words as frequent. docs/performance.md says what the numbers mean.
      """)

  @Option(
    help: "Model folder, or a size with random weights: minilm, bert-base, bert-large.",
    completion: .directory)
  var model: String
  @Option(help: "Shards to take rows from. (default: made-up rows)", completion: .directory)
  var train: String?
  @Option(help: "Rows a step over all ranks.")
  var batchSize = 8
  @Option(
    help: "Parts that each batch is cut into, a power of two. (default: the ranks, rounded up)")
  var microBatches: Int?
  @Option(help: "Steps that are timed.")
  var steps = 20
  @Option(help: "Steps before them.")
  var warmup = 3
  @Option(help: "Threads of a rank. (default: its cores)")
  var threads: Int?
  @Option(help: "Gradient exchange; mpi is for comparison.")
  var allReduce = TrainingOptions.Exchange.tree
  @Option(help: "Seed of rows, weights and dropout.")
  var seed: UInt64 = 42
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(steps, "--steps")
    try requireThreads(threads)
    guard warmup >= 0 else {
      throw ValidationError("--warmup: expected at least 0, found \(warmup)")
    }
  }

  func run() throws {
    var options = StepBenchmark.Options(model: model)
    options.train = train
    options.batchSize = batchSize
    options.microBatches = microBatches
    options.exchange = allReduce
    options.steps = steps
    options.warmup = warmup
    options.threads = threads
    options.seed = seed
    try onEveryRank {
      try StepBenchmark(options, $0).run()
    } show: { result in
      writeTable(rows(of: result))
      if format == .json { try printJSON(result) }
    }
  }

  private func rows(of result: StepResult) -> [(name: String, value: String)] {
    func text(_ form: String, _ values: Double...) -> String {
      String(format: form, arguments: values)
    }
    let phases = result.phases
    let times = [
      ("data", phases.data), ("forward", phases.forward), ("backward", phases.backward),
      ("exchange", phases.exchange), ("optimizer", phases.optimizer),
    ]
    let shares = times.map {
      "\($0.0) " + text("%.1f ms (%.0f %%)", $0.1, 100 * $0.1 / result.meanMilliseconds)
    }
    let ceilings = [result.ceilingsBefore, result.ceilingsAfter]
    return [
      (
        "step",
        "\(result.model), \(result.ranks) x \(result.threads) threads, batch \(result.batchSize) in "
          + "\(result.microBatches), \(result.steps) steps"
      ),
      (
        "time",
        text(
          "median %.2f ms, mean %.2f, fastest %.2f, 10 %% %.2f, 90 %% %.2f",
          result.millisecondsPerStep, result.meanMilliseconds, result.bestMilliseconds,
          result.tenthPercentile, result.ninetiethPercentile)
      ),
      ("tokens", text("%.0f a second, %.1f a step", result.tokensPerSecond, result.tokensPerStep)),
      (
        "useful work",
        text("%.1f GFLOP/s, %.2f GFLOP a step", result.gflops, result.gigaOperationsPerStep)
      ),
      ("phases", shares.joined(separator: ", ")),
      (
        "ceilings",
        ceilings.map { text("%.0f GFLOP/s, %.1f GB/s", $0.gflops, $0.gigabytesPerSecond) }
          .joined(separator: " before; ") + " after; "
          + text(
            "at best %.0f GFLOP/s, %.1f GB/s", result.ceilings.bestGflops,
            result.ceilings.bestGigabytesPerSecond)
      ),
      (
        "floor",
        text(
          "%.2f ms, %.0f %% of the median step; at best %.2f ms, %.0f %% of the fastest; "
            + "%.1f M parameters touched",
          result.floorMilliseconds, 100 * result.fraction, result.bestFloorMilliseconds,
          100 * result.bestFraction, result.touchedParameters / 1e6)
      ),
      ("memory", text("%.0f MB at most in a rank", result.peakMegabytes)),
      (
        "sent",
        text(
          "%.2f MB a rank and step; all gradients: %.2f MB", result.bytesSent / 1e6,
          result.denseBytes / 1e6)
      ),
      (
        "loss",
        text("%.4f, then %.4f", result.firstLoss, result.lastLoss)
          + "; digest \(result.digest), twice"
      ),
    ]
  }
}
