/// What a check found wrong on this rank.
struct CheckFailed: Error, CustomStringConvertible, Equatable {
  let description: String
  var exitCode: Int32 = 1
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  if !condition { throw CheckFailed(description: message()) }
}

/// Compares bit for bit and names the first index that differs.
func requireEqual(
  _ actual: [Float], _ expected: [Float], _ what: @autoclosure () -> String
) throws {
  try require(
    actual.count == expected.count,
    "\(what()): expected \(expected.count) elements, got \(actual.count)")
  for i in actual.indices where actual[i].bitPattern != expected[i].bitPattern {
    throw CheckFailed(
      description: "\(what()): element \(i): expected \(expected[i]), got \(actual[i])")
  }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers on every rank and machine.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A float of either sign between 2^-20 and 2^20: wide enough that the order of a sum shows in
  /// its bits.
  mutating func nextWideFloat() -> Float {
    let bits = next()
    let exponent = UInt32(127 - 20) + UInt32(truncatingIfNeeded: bits >> 32) % 40
    return Float(bitPattern: UInt32(truncatingIfNeeded: bits) & 0x807F_FFFF | exponent << 23)
  }
}
