import Collectives
import Glibc

/// What links, clocks and sums of a job give, measured; every part is a collective call.
package struct Measurement {
  package private(set) var links: [Link] = []
  /// Of the other hosts; on rank 0.
  package private(set) var clocks: [ClockSkew] = []
  package private(set) var allReduce: Examination.AllReduce?

  /// Buffers that are summed, in bytes: the second only where the first took less than a quarter of a
  /// second.
  private static let sizes = [1 << 20, 16 << 20]

  /// - Parameter ranks: Facts of all ranks, the same everywhere.
  package init(_ communicator: Communicator, _ ranks: [RankFacts]) throws {
    let nodes = Node.all(ranks)
    guard ranks.count > 1 else { return }
    let probe = LinkProbe(communicator)
    communicator.enter("the measurement of links")
    let firsts = nodes.map(\.first.rank)
    let between = rounds(ofHosts: nodes.count).map { $0.map { (firsts[$0.0], firsts[$0.1]) } }
    let within = nodes.filter { $0.ranks.count > 1 }.map { ($0.ranks[0].rank, $0.ranks[1].rank) }
    links = try probe.measure((within.isEmpty ? [] : [within]) + between)
    let offsets = try communicator.clockOffsets(of: CLOCK_REALTIME)
    if communicator.rank == 0 {
      clocks = firsts.filter { $0 != 0 }.map { ClockSkew(rank: $0, offsets[$0]) }
    }
    communicator.enter("the measurement of an all-reduce")
    allReduce = try Self.sum(communicator)
  }

  private static func sum(_ communicator: Communicator) throws -> Examination.AllReduce {
    let counts = sizes.map { $0 / 4 }
    let buffer = UnsafeMutablePointer<Float>.allocate(capacity: counts[counts.count - 1])
    defer { buffer.deallocate() }
    let parts = ReductionTree.defaultParts(ranks: communicator.size)
    let exchange = try TreeAllReduce(
      communicator: communicator, tree: ReductionTree(parts: parts, ranks: communicator.size),
      count: counts[counts.count - 1])
    var result = Examination.AllReduce(bytes: 0, milliseconds: 0)
    for count in counts where result.milliseconds < 250 {
      var best = Double.infinity
      for _ in 0..<3 {
        buffer.update(repeating: 1, count: count)
        _ = try communicator.sumAll([0])  // Nobody starts before everybody is there.
        let clock = ContinuousClock()
        let took = clock.measure { exchange.reduce(buffer, count: count) }
        // The slowest rank's, the same number on all of them.
        let slowest = try communicator.gatherAll([UInt64(took / .nanoseconds(1))]).map { $0[0] }
          .max()
        best = min(best, Double(slowest ?? 0) / 1e6)
        if best > 250 { break }
      }
      result = Examination.AllReduce(bytes: 4 * count, milliseconds: best)
    }
    return result
  }
}
