import Collectives
import Kernels

/// How fast this machine multiplies and moves numbers, whatever the program: what a benchmark's own
/// result is held against.
///
/// Rates are the work of some tenths of a second by all of that time, as a step has it: on a machine
/// that others use too they fall as the step does, and what ranks get at the same time adds up. The
/// best are those of single rounds of milliseconds, for comparison with the fastest of many steps.
package struct MachineCeilings: Encodable, Sendable, Equatable {
  /// OpenBLAS's sgemm on square matrices in every thread at once, 10^9 operations a second.
  package var gflops: Double
  /// STREAM's triad in all threads, 10^9 bytes a second.
  package var gigabytesPerSecond: Double
  package var bestGflops: Double
  package var bestGigabytesPerSecond: Double

  enum CodingKeys: String, CodingKey {
    case gflops
    case gigabytesPerSecond = "gigabytes_per_second"
    case bestGflops = "gflops_best"
    case bestGigabytesPerSecond = "gigabytes_per_second_best"
  }

  package init(gflops: Double, gigabytesPerSecond: Double) {
    (self.gflops, self.gigabytesPerSecond) = (gflops, gigabytesPerSecond)
    (bestGflops, bestGigabytesPerSecond) = (gflops, gigabytesPerSecond)
  }

  /// Takes about a second, and 192 MB and 3 MB a thread for as long.
  ///
  /// - Throws: `BenchmarkError` where a result is wrong.
  package init(_ pool: ThreadPool) throws {
    (gflops, bestGflops) = try Self.multiply(pool)
    let triad = try MemoryBenchmark(floats: 1 << 24).triad(pool)
    gigabytesPerSecond = triad.meanGigabytesPerSecond
    bestGigabytesPerSecond = triad.gigabytesPerSecond
  }

  /// Of all ranks at once, added up; a collective call. On several nodes it is what they have together.
  package init(_ pool: ThreadPool, _ communicator: Communicator) throws {
    _ = try communicator.sumAll([0])  // Nobody starts before everybody is there.
    let own = try communicator.agree { try MachineCeilings(pool) }
    let sums = try communicator.sumAll([
      own.gflops, own.gigabytesPerSecond, own.bestGflops, own.bestGigabytesPerSecond,
    ])
    (gflops, gigabytesPerSecond) = (sums[0], sums[1])
    (bestGflops, bestGigabytesPerSecond) = (sums[2], sums[3])
  }

  /// Of what was measured before and after something; the better of the best.
  package static func mean(_ first: Self, _ second: Self) -> Self {
    var mean = first
    mean.gflops = (first.gflops + second.gflops) / 2
    mean.gigabytesPerSecond = (first.gigabytesPerSecond + second.gigabytesPerSecond) / 2
    mean.bestGflops = max(first.bestGflops, second.bestGflops)
    mean.bestGigabytesPerSecond = max(first.bestGigabytesPerSecond, second.bestGigabytesPerSecond)
    return mean
  }

  /// With the best rates as the rates.
  package var atBest: Self {
    Self(gflops: bestGflops, gigabytesPerSecond: bestGigabytesPerSecond)
  }

  private static func multiply(_ pool: ThreadPool) throws -> (mean: Double, best: Double) {
    let squares = (0..<pool.threads).map { _ in SquareProduct(width: 512) }
    // A thread that is late finds its share done by the others.
    let products = 2 * pool.threads
    ReferenceProduct.setThreads(1)
    let times = Timings(repetitions: 5, atLeast: .milliseconds(400)) {
      pool.run(products) { _, thread in squares[thread].multiply() }
    }
    try squares[0].check()
    let operations = squares[0].operations * Double(products) / 1e9
    return (operations / times.mean, operations / times.best)
  }
}

/// c = a · b, all [width, width], of small integers: every order of addition gives the same sums.
private final class SquareProduct {
  private let width: Int
  private let (a, b, c): (Arena, Arena, Arena)

  var operations: Double { 2 * Double(width * width * width) }

  init(width: Int) {
    self.width = width
    let count = width * width
    (a, b, c) = (Arena(count: count), Arena(count: count), Arena(count: count))
    for i in 0..<count { (a.base[i], b.base[i]) = (Float(i % 7) - 3, Float(i % 5) - 2) }
  }

  func multiply() {
    ReferenceProduct.multiply(
      c.base, a.base, .plain, b.base, .plain, rows: width, columns: width, depth: width)
  }

  /// - Throws: `BenchmarkError` where the corner that is multiplied last is wrong.
  func check() throws {
    let last = width - 1
    let found = c.base[width * width - 1]
    let expected = (0..<width).reduce(into: Float(0)) {
      $0 += a.base[last * width + $1] * b.base[$1 * width + last]
    }
    guard found != expected else { return }
    throw BenchmarkError(
      place: "OpenBLAS's sgemm", expected: "\(expected)", found: "\(found)",
      remedy: "choose kernels that this processor can run with OPENBLAS_CORETYPE")
  }
}
