/// The order in which an epoch visits the rows: a permutation that its generator alone decides.
///
/// Given a counter-based stream keyed by (seed, epoch), it is a pure function of them. The draw is
/// fixed here for good, since `shuffle(using:)` may change with the standard library and a resumed
/// run must see the same rows: for i from rows - 1 down to 1, swap i with j, where j in 0...i is
/// drawn as by Lemire ("Fast Random Integer Generation in an Interval", 2019): j is the upper half
/// of the 128-bit product x * (i + 1) of one `next()` x, and x is drawn again while the lower half
/// is less than 2^64 mod (i + 1), so that no j is likelier than another.
package struct EpochOrder: Sendable, Equatable {
  private var order: [UInt32]

  /// - Parameter rows: at most 2^32; an order takes 4 bytes a row.
  package init<G: RandomNumberGenerator>(rows: Int, using generator: inout G) {
    precondition(rows >= 0 && rows <= 1 << 32, "rows are numbered in 32 bits")
    order = (0..<rows).map { UInt32($0) }
    for last in stride(from: rows - 1, to: 0, by: -1) {
      let other = Self.draw(below: UInt64(last) + 1, using: &generator)
      order.swapAt(last, Int(other))
    }
  }

  package var count: Int { order.count }

  /// The row at a position of the epoch.
  package subscript(position: Int) -> Int { Int(order[position]) }

  /// The rows at some positions, in order: a global batch.
  package subscript(positions: Range<Int>) -> [Int] { order[positions].map { Int($0) } }

  private static func draw<G: RandomNumberGenerator>(
    below bound: UInt64, using generator: inout G
  ) -> UInt64 {
    let biased = (0 &- bound) % bound
    while true {
      let (high, low) = bound.multipliedFullWidth(by: generator.next())
      if low >= biased { return high }
    }
  }
}
