import ArgumentParser
import Benchmarks
import Foundation
import Training

struct BenchCheckpoint: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint",
    abstract: "Times the checkpoints of short training runs, and their loading.",
    discussion: """
      Writes below TMPDIR, where it needs room for four checkpoints: 1.1 GB for minilm, 5.3 GB for \
      bert-base, 16 GB for bert-large.
      """)

  @Option(
    help: "Model folder, or a size with random weights: minilm, bert-base, bert-large.",
    completion: .directory)
  var model = "minilm"
  @Option(help: "Checkpoints to time in each mode.")
  var saves = 3
  @Option(help: "Steps from one to the next.")
  var stepsBetween = 8
  @Option(help: "Threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(saves, "--saves")
    try requirePositive(stepsBetween, "--steps-between")
    try requireThreads(threads)
    try requireOneProcess()
  }

  func run() throws {
    let result = try CheckpointBenchmark(
      model: BenchmarkModel(model), threads: threads ?? defaultThreads(localRanks: 1),
      saves: saves, stepsBetween: stepsBetween
    ).run()
    var rows = [
      ("checkpoint", String(format: "%.1f MB of \(result.model)", Double(result.bytes) / 1e6))
    ]
    for save in result.saves {
      let added = save.addedSeconds.map { String(format: "%.3f s", $0) } ?? "an unknown time"
      rows.append(
        (
          "save, \(save.mode)",
          String(
            format: "%.3f s, %.0f MB/s; training stood still for %.3f s and took longer by ",
            save.seconds, save.megabytesPerSecond, save.blockedSeconds) + added
        ))
    }
    rows.append(("verify", String(format: "%.0f MB/s", result.verifyMegabytesPerSecond)))
    rows.append(("load", String(format: "%.0f MB/s", result.loadMegabytesPerSecond)))
    rows.append(
      (
        "ceilings",
        String(
          format: "disk %.0f MB/s; %.1f GFLOP/s, %.1f GB/s", result.diskMegabytesPerSecond,
          result.ceilings.gflops, result.ceilings.gigabytesPerSecond)
      ))
    writeTable(rows.map { (name: $0.0, value: $0.1) })
    if format == .json { try printJSON(result) }
  }
}
