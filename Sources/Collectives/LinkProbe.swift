/// What a link between two ranks gives, measured with messages between them alone.
package struct Link: Sendable, Equatable, Codable {
  package let from: Int
  package let to: Int
  /// Half of the fastest round trip of a small message.
  package let microseconds: Double
  /// Long messages of `from` to `to`, 10^9 bytes a second.
  package let gigabytesPerSecond: Double

  package init(from: Int, to: Int, microseconds: Double, gigabytesPerSecond: Double) {
    self.from = from
    self.to = to
    self.microseconds = microseconds
    self.gigabytesPerSecond = gigabytesPerSecond
  }

  enum CodingKeys: String, CodingKey {
    case from, to
    case microseconds = "latency_us"
    case gigabytesPerSecond = "gigabytes_per_second"
  }
}

/// Messages between pairs of ranks, timed. Waits are the communicator's, so that a peer that dies or
/// falls silent in one of them ends the job with its name.
package final class LinkProbe {
  private let communicator: Communicator
  private let buffer: UnsafeMutableRawBufferPointer
  /// Round trips of a small message, of which the fastest counts.
  private static let roundTrips = 50
  private static let smallBytes = 8
  /// A link is measured with messages that double until the fastest of a size takes this long.
  private static let leastNanoseconds: UInt64 = 40_000_000
  /// Messages of a size: on a machine that others use too, some find their receiver without a core.
  private static let repetitions = 3...8
  /// After which a size has enough of them.
  private static let mostNanoseconds: UInt64 = 100_000_000
  private static let firstBytes = 64 << 10
  private static let mostBytes = 16 << 20

  package init(_ communicator: Communicator) {
    self.communicator = communicator
    buffer = .allocate(byteCount: Self.mostBytes, alignment: 4096)
    // Touched now, so that no page fault is timed.
    buffer.initializeMemory(as: UInt8.self, repeating: 1)
  }

  deinit { buffer.deallocate() }

  /// Measures pairs of ranks, both directions of each; a collective call.
  ///
  /// - Parameter rounds: The same on every rank. Pairs of a round are measured at the same time and must
  ///   have no rank twice.
  /// - Returns: On every rank the links of all pairs, by rounds.
  package func measure(_ rounds: [[(Int, Int)]]) throws(CollectiveError) -> [Link] {
    var own: [Link] = []
    for round in rounds {
      // Nobody's messages meet those of the round before.
      _ = try communicator.sumAll([0])
      guard
        let pair = round.first(where: { $0.0 == communicator.rank || $0.1 == communicator.rank })
      else { continue }
      let peer = pair.0 == communicator.rank ? pair.1 : pair.0
      let isFirst = pair.0 == communicator.rank
      let latency = try roundTrip(with: peer, isFirst: isFirst) / 2
      // One direction, then the other; the sender has the time.
      for sends in isFirst ? [true, false] : [false, true] {
        if sends {
          let rate = try send(to: peer)
          own.append(
            Link(
              from: communicator.rank, to: peer, microseconds: Double(latency) / 1000,
              gigabytesPerSecond: rate))
        } else {
          try receive(from: peer)
        }
      }
    }
    return try gather(own)
  }

  /// Nanoseconds of the fastest.
  private func roundTrip(with peer: Int, isFirst: Bool) throws(CollectiveError) -> UInt64 {
    var best = UInt64.max
    for _ in 0..<Self.roundTrips {
      let start = monotonicNanoseconds()
      try exchange(isFirst ? .send : .receive, Self.smallBytes, peer)
      try exchange(isFirst ? .receive : .send, Self.smallBytes, peer)
      best = min(best, monotonicNanoseconds() - start)
    }
    return best
  }

  /// Sends longer and longer messages, each of which is answered, and gives the rate of the last one.
  private func send(to peer: Int) throws(CollectiveError) -> Double {
    var bytes = Self.firstBytes
    while true {
      var (fastest, total, count) = (UInt64.max, UInt64(0), 0)
      var next = bytes
      while next == bytes {
        let start = monotonicNanoseconds()
        try exchange(.send, bytes, peer)
        try exchange(.receive, Self.smallBytes, peer)
        let took = monotonicNanoseconds() - start
        (fastest, total, count) = (min(fastest, took), total + took, count + 1)
        let isEnough =
          count >= Self.repetitions.lowerBound && total >= Self.mostNanoseconds
          || count == Self.repetitions.upperBound
        if isEnough {
          let isLast = fastest >= Self.leastNanoseconds || 2 * bytes > Self.mostBytes
          next = isLast ? 0 : 2 * bytes
        }
        buffer.storeBytes(of: UInt64(next), as: UInt64.self)
        try exchange(.send, Self.smallBytes, peer)
      }
      if next == 0 { return Double(bytes) / Double(max(1, fastest)) }
      bytes = next
    }
  }

  /// - Note: What follows each message is the size of the next one, 0 for no other.
  private func receive(from peer: Int) throws(CollectiveError) {
    var bytes = Self.firstBytes
    while bytes > 0 {
      try exchange(.receive, bytes, peer)
      try exchange(.send, Self.smallBytes, peer)
      try exchange(.receive, Self.smallBytes, peer)
      bytes = min(Int(truncatingIfNeeded: buffer.loadUnaligned(as: UInt64.self)), Self.mostBytes)
    }
  }

  private enum Direction { case send, receive }

  private func exchange(
    _ direction: Direction, _ bytes: Int, _ peer: Int
  ) throws(CollectiveError) {
    let message = UnsafeMutableRawBufferPointer(rebasing: buffer[..<bytes])
    switch direction {
    case .send: try communicator.send(UnsafeRawBufferPointer(message), to: peer)
    case .receive: try communicator.receive(message, from: peer)
    }
  }

  private func gather(_ own: [Link]) throws(CollectiveError) -> [Link] {
    let numbers = own.flatMap { link in
      [Double(link.from), Double(link.to), link.microseconds, link.gigabytesPerSecond].map(
        \.bitPattern)
    }
    let all = try communicator.gatherAll(numbers).flatMap(\.self).map(Double.init(bitPattern:))
    return stride(from: 0, to: all.count, by: 4).map {
      Link(
        from: Int(all[$0]), to: Int(all[$0 + 1]), microseconds: all[$0 + 2],
        gigabytesPerSecond: all[$0 + 3])
    }
  }
}
