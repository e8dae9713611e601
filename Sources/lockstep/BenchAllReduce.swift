import ArgumentParser
import Benchmarks
import Foundation
import Training

struct BenchAllReduce: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allreduce",
    abstract: "Times the sum of gradients over the ranks that mpirun started, beside MPI_Allreduce."
  )

  @Option(help: "Sizes of the buffers, between commas.")
  var sizes = "64KB,1MB,16MB,91MB"
  @Option(help: "Sums of each size.")
  var repetitions = 20
  @Option(help: "Threads of a rank. (default: its cores)")
  var threads: Int?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requirePositive(repetitions, "--repetitions")
    try requireThreads(threads)
    _ = try parseSizes()
  }

  private func parseSizes() throws -> [Int] {
    try sizes.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let size = ByteCount(argument: String($0)) else {
        throw ValidationError("--sizes: expected sizes such as 64KB,16MB, found \(sizes)")
      }
      return size.bytes
    }
  }

  func run() throws {
    let sizes = try parseSizes()
    try onEveryRank {
      let threads = threads ?? defaultThreads(localRanks: $0.localSize)
      return try AllReduceBenchmark($0, sizes: sizes, repetitions: repetitions, threads: threads)
        .run()
    } show: { result in
      writeLine("      bytes    tree ms    GB/s     MPI ms    GB/s   bytes sent")
      for row in result.sizes {
        writeLine(
          String(
            format: "%11d %10.3f %7.2f %10.3f %7.2f %12d", row.bytes, row.milliseconds,
            row.gigabytesPerSecond, row.mpiMilliseconds, row.mpiGigabytesPerSecond, row.bytesSent))
      }
      writeLine(
        String(
          format: "%d ranks x %d threads; triad of all ranks %.1f GB/s", result.ranks,
          result.threads, result.ceilings.gigabytesPerSecond))
      if format == .json { try printJSON(result) }
    }
  }
}
