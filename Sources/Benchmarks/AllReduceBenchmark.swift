import Collectives
import Kernels

/// Times the sum of a gradient over all ranks: the trainer's own exchange, and MPI_Allreduce.
package final class AllReduceBenchmark {
  package struct Row: Encodable, Sendable {
    /// Of the buffer that is summed.
    package let bytes: Int
    /// Of the slowest rank, median.
    package let milliseconds: Double
    package let mpiMilliseconds: Double
    /// Bytes of the buffer by that time.
    package let gigabytesPerSecond: Double
    package let mpiGigabytesPerSecond: Double
    /// Most that one rank sent.
    package let bytesSent: Int

    enum CodingKeys: String, CodingKey {
      case bytes
      case milliseconds = "ms"
      case mpiMilliseconds = "mpi_ms"
      case gigabytesPerSecond = "gigabytes_per_second"
      case mpiGigabytesPerSecond = "mpi_gigabytes_per_second"
      case bytesSent = "bytes_sent"
    }
  }

  package struct Result: Encodable, Sendable {
    package let benchmark = "allreduce"
    package let ranks: Int
    package let threads: Int
    /// Of the largest buffer.
    package let gigabytesPerSecond: Double
    package let mpiGigabytesPerSecond: Double
    package let sizes: [Row]
    package let ceilings: MachineCeilings
    /// Of the triad's rate of all ranks together.
    package let fraction: Double

    enum CodingKeys: String, CodingKey {
      case benchmark, ranks, threads, sizes, ceilings
      case gigabytesPerSecond = "gigabytes_per_second"
      case mpiGigabytesPerSecond = "mpi_gigabytes_per_second"
      case fraction = "fraction_of_triad"
    }
  }

  private let communicator: Communicator
  private let pool: ThreadPool
  private let counts: [Int]
  private let buffer: Arena
  private let exchange: TreeAllReduce
  private let repetitions: Int

  /// A collective call.
  ///
  /// - Parameter sizes: Bytes of the buffers, at least one.
  package init(
    _ communicator: Communicator, sizes: [Int], repetitions: Int, threads: Int
  ) throws {
    precondition(!sizes.isEmpty && repetitions > 0, "nothing to measure")
    self.communicator = communicator
    self.repetitions = repetitions
    pool = ThreadPool(threads: threads)
    counts = sizes.map { max(1, $0 / 4) }.sorted()
    let most = counts[counts.count - 1]
    buffer = Arena(count: most)
    exchange = try TreeAllReduce(
      communicator: communicator,
      tree: ReductionTree(
        parts: ReductionTree.defaultParts(ranks: communicator.size), ranks: communicator.size),
      count: most)
  }

  /// - Throws: `BenchmarkError`, on all ranks, where a sum is wrong on one.
  package func run() throws -> Result {
    let before = try MachineCeilings(pool, communicator)
    let rows = try counts.map { count in
      // One after the other, in turns, so that both meet the same machine.
      var (own, mpi): ([Double], [Double]) = ([], [])
      for repetition in 0...repetitions {
        let times = (
          try time(count, "the tree") { reduce(count) },
          try time(count, "MPI_Allreduce") {
            try allReduceWithMPI(communicator, buffer.base, count: count)
          }
        )
        guard repetition > 0 else { continue }  // The first sets connections up.
        own.append(times.0)
        mpi.append(times.1)
      }
      let sent = try communicator.gatherNumbers(exchange.bytesSent).max() ?? 0
      return try row(count, own, mpi, sent: sent)
    }
    let ceilings = MachineCeilings.mean(before, try MachineCeilings(pool, communicator))
    let last = rows[rows.count - 1]
    return Result(
      ranks: communicator.size, threads: pool.threads,
      gigabytesPerSecond: last.gigabytesPerSecond,
      mpiGigabytesPerSecond: last.mpiGigabytesPerSecond, sizes: rows, ceilings: ceilings,
      fraction: last.gigabytesPerSecond / ceilings.gigabytesPerSecond)
  }

  private func reduce(_ count: Int) {
    exchange.reduce(buffer.base, count: count) { [pool] y, x, count in
      Reduction.add(y, x, count: count, pool)
    }
  }

  private func row(_ count: Int, _ own: [Double], _ mpi: [Double], sent: Int) throws -> Row {
    let bytes = 4 * count
    let (own, mpi) = (Timings(own).median, Timings(mpi).median)
    return Row(
      bytes: bytes, milliseconds: 1000 * own, mpiMilliseconds: 1000 * mpi,
      gigabytesPerSecond: Double(bytes) / own / 1e9,
      mpiGigabytesPerSecond: Double(bytes) / mpi / 1e9, bytesSent: sent)
  }

  /// Sums a new buffer, checks the sum, and gives the slowest rank's seconds.
  private func time(_ count: Int, _ name: String, _ body: () throws -> Void) throws -> Double {
    let (base, rank) = (buffer.base, communicator.rank)
    for i in 0..<count { base[i] = Self.term(i, rank) }
    _ = try communicator.sumAll([0])  // Nobody starts before everybody is there.
    let seconds = try secondsOf(body)
    try communicator.agree {
      for i in 0..<count {
        let expected = Self.sum(i, ranks: communicator.size)
        guard base[i] != expected else { continue }
        throw BenchmarkError(
          place: "element \(i) of \(count) after \(name) on rank \(rank)",
          expected: "\(expected)", found: "\(base[i])",
          remedy: "test the network and the MPI library")
      }
    }
    let nanoseconds = try communicator.gatherNumbers(Int(seconds * 1e9))
    return Double(nanoseconds.max() ?? 0) / 1e9
  }

  /// Small integers, whose sums are exact in any order.
  private static func term(_ index: Int, _ rank: Int) -> Float {
    Float((rank + 1) * (index % 61 + 1))
  }

  private static func sum(_ index: Int, ranks: Int) -> Float {
    Float(ranks * (ranks + 1) / 2 * (index % 61 + 1))
  }
}

extension Communicator {
  /// Every rank's number, on every rank, by rank.
  func gatherNumbers(_ number: Int) throws -> [Int] {
    try gatherAll([UInt64(number)]).map { Int($0[0]) }
  }
}
