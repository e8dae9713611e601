import Kernels

/// How fast all threads of a pool together read and write memory.
package final class MemoryBenchmark {
  /// One kind of pass over the buffers.
  package struct Result: Encodable, Sendable, Equatable {
    package let threads: Int
    /// The best pass's.
    package let gigabytesPerSecond: Double
    package let medianGigabytesPerSecond: Double
    /// Of all passes together.
    package let meanGigabytesPerSecond: Double

    enum CodingKeys: String, CodingKey {
      case threads
      case gigabytesPerSecond = "gigabytes_per_second"
      case medianGigabytesPerSecond = "gigabytes_per_second_median"
      case meanGigabytesPerSecond = "gigabytes_per_second_mean"
    }
  }

  private let count: Int
  private let (a, b, c): (Arena, Arena, Arena)

  /// - Parameter floats: In each of three buffers, which should be too large for any cache.
  package init(floats: Int) {
    precondition(floats > 0, "no buffers to measure with")
    count = floats
    (a, b, c) = (Arena(count: floats), Arena(count: floats), Arena(count: floats))
    for i in 0..<floats {
      b.base[i] = Float(i & 1023)
      c.base[i] = Float(i & 255)
    }
  }

  /// - Throws: `BenchmarkError` where an element is wrong.
  package func triad(_ pool: ThreadPool) throws -> Result {
    try measure(pool, .triad)
  }

  /// - Throws: `BenchmarkError` where an element is wrong.
  package func copy(_ pool: ThreadPool) throws -> Result { try measure(pool, .copy) }

  private enum Pass: String {
    case triad, copy
  }

  private func run(_ pass: Pass, _ pool: ThreadPool) {
    switch pass {
    case .triad: MemoryStream.triad(a.base, b.base, c.base, scale: 3, count: count, pool)
    case .copy: MemoryStream.copy(a.base, b.base, count: count, pool)
    }
  }

  private func measure(_ pool: ThreadPool, _ pass: Pass) throws -> Result {
    a.base.update(repeating: -1, count: count)
    run(pass, pool)
    for index in 0..<count {
      let expected = pass == .triad ? b.base[index] + 3 * c.base[index] : b.base[index]
      guard a.base[index] != expected else { continue }
      throw BenchmarkError(
        place: "element \(index) of the \(pass.rawValue)", expected: "\(expected)",
        found: "\(a.base[index])", remedy: "test the machine's memory")
    }
    let times = Timings(repetitions: 5, atLeast: .milliseconds(400)) { run(pass, pool) }
    let bytes = pass == .triad ? MemoryStream.triadBytes : MemoryStream.copyBytes
    let total = Double(bytes * count) / 1e9
    return Result(
      threads: pool.threads, gigabytesPerSecond: total / times.best,
      medianGigabytesPerSecond: total / times.median,
      meanGigabytesPerSecond: total / times.mean)
  }
}
