import Collectives

/// How far the time of day of another rank's machine is ahead of rank 0's.
package struct ClockSkew: Sendable, Equatable, Codable {
  package let rank: Int
  /// 0 where the measurement cannot tell the clocks apart.
  package let seconds: Double
  /// Half of the round trip by which it was read.
  package let uncertainty: Double

  package init(rank: Int, seconds: Double, uncertainty: Double) {
    self.rank = rank
    self.seconds = seconds
    self.uncertainty = uncertainty
  }

  init(rank: Int, _ offset: ClockOffset) {
    self.init(
      rank: rank, seconds: Double(offset.nanoseconds) / 1e9,
      uncertainty: Double(offset.roundTripNanoseconds) / 2e9)
  }

  enum CodingKeys: String, CodingKey {
    case rank, seconds
    case uncertainty = "uncertainty_seconds"
  }
}
