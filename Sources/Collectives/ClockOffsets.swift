import Glibc

/// How a rank's clock stands to rank 0's.
package struct ClockOffset: Sendable, Equatable {
  /// Nanoseconds to subtract from the rank's clock; 0 where the measurement cannot tell the clocks
  /// apart, as between ranks of one machine.
  package let nanoseconds: Int64
  /// The shortest way there and back, of which the offset is uncertain by half.
  package let roundTripNanoseconds: UInt64

  package static let none = ClockOffset(nanoseconds: 0, roundTripNanoseconds: 0)

  /// - Parameters:
  ///   - sent, returned: By rank 0's clock.
  ///   - there: By the other's, in between.
  init(sent: UInt64, there: UInt64, returned: UInt64) {
    roundTripNanoseconds = returned - sent
    let middle = sent + roundTripNanoseconds / 2
    let offset = Int64(bitPattern: there &- middle)
    nanoseconds = offset.magnitude <= roundTripNanoseconds / 2 + 1 ? 0 : offset
  }

  private init(nanoseconds: Int64, roundTripNanoseconds: UInt64) {
    self.nanoseconds = nanoseconds
    self.roundTripNanoseconds = roundTripNanoseconds
  }
}

extension Communicator {
  /// Messages to and fro, of which the fastest counts.
  private static let clockReadings = 32

  /// Compares the clocks of all ranks with rank 0's; a collective call that all ranks leave together.
  ///
  /// - Parameter clock: `CLOCK_MONOTONIC`, which counts from any moment, or `CLOCK_REALTIME`, the time of day.
  /// - Returns: On rank 0 [ranks], elsewhere nothing.
  package func clockOffsets(
    of clock: clockid_t = CLOCK_MONOTONIC
  ) throws(CollectiveError) -> [ClockOffset] {
    var offsets: [ClockOffset] = []
    if rank == 0 {
      offsets.append(.none)
      for peer in 1..<max(1, size) { offsets.append(try offset(of: peer, clock)) }
    } else {
      for _ in 0..<Self.clockReadings {
        _ = try receiveNumber(from: 0)
        try send(nanoseconds(of: clock), to: 0)
      }
    }
    _ = try sumAll([0])
    return offsets
  }

  private func offset(of peer: Int, _ clock: clockid_t) throws(CollectiveError) -> ClockOffset {
    var best: ClockOffset?
    for _ in 0..<Self.clockReadings {
      let sent = nanoseconds(of: clock)
      try send(sent, to: peer)
      let there = try receiveNumber(from: peer)
      let reading = ClockOffset(sent: sent, there: there, returned: nanoseconds(of: clock))
      if reading.roundTripNanoseconds < best?.roundTripNanoseconds ?? .max { best = reading }
    }
    return best ?? .none
  }

  private func send(_ number: UInt64, to peer: Int) throws(CollectiveError) {
    var bytes = number
    try withUnsafeMutableBytes(of: &bytes) { bytes throws(CollectiveError) in
      try send(UnsafeRawBufferPointer(bytes), to: peer)
    }
  }

  private func receiveNumber(from peer: Int) throws(CollectiveError) -> UInt64 {
    var number: UInt64 = 0
    try withUnsafeMutableBytes(of: &number) { bytes throws(CollectiveError) in
      try receive(bytes, from: peer)
    }
    return number
  }
}
