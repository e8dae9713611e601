import ArgumentParser
import Benchmarks
import Foundation
import Kernels
import Training

struct BenchMemory: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Measures how fast 1, 2, .. threads read and write memory.")

  @Option(help: "Most threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Size of each of the three buffers, e.g. 256MB.")
  var size = ByteCount(128_000_000)
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  private struct Result: Encodable {
    let benchmark = "memory"
    let threads: Int
    let gigabytesPerSecond: Double
    let bytes: Int
    let triad: [MemoryBenchmark.Result]
    let copy: [MemoryBenchmark.Result]
    let ceilings: MachineCeilings

    enum CodingKeys: String, CodingKey {
      case benchmark, threads, bytes, triad, copy, ceilings
      case gigabytesPerSecond = "gigabytes_per_second"
    }
  }

  func validate() throws {
    try requireThreads(threads)
    try requireOneProcess()
    guard size.bytes >= 4 else { throw ValidationError("--size: expected at least 4 bytes") }
  }

  func run() throws {
    let threads = threads ?? defaultThreads(localRanks: 1)
    let benchmark = MemoryBenchmark(floats: size.bytes / 4)
    var triad: [MemoryBenchmark.Result] = []
    var copy: [MemoryBenchmark.Result] = []
    for count in 1...threads {
      let pool = ThreadPool(threads: count)
      triad.append(try benchmark.triad(pool))
      copy.append(try benchmark.copy(pool))
    }
    let ceilings = try MachineCeilings(ThreadPool(threads: threads))
    writeLine("threads  triad GB/s   (median)   copy GB/s   (median)")
    for (triad, copy) in zip(triad, copy) {
      writeLine(
        String(
          format: "%7d %11.1f %10.1f %11.1f %10.1f", triad.threads, triad.gigabytesPerSecond,
          triad.medianGigabytesPerSecond, copy.gigabytesPerSecond, copy.medianGigabytesPerSecond))
    }
    guard format == .json else { return }
    let most = triad[threads - 1].gigabytesPerSecond
    try printJSON(
      Result(
        threads: threads, gigabytesPerSecond: most, bytes: 4 * (size.bytes / 4), triad: triad,
        copy: copy, ceilings: ceilings))
  }
}
