extension Communicator {
  /// Runs `body` on every rank and lets all of them fail together.
  ///
  /// For phases that can go wrong on some ranks only, such as opening files: a rank that threw by
  /// itself would leave the others waiting in their next collective call. `body` may itself contain
  /// collective calls as long as no rank can skip one of them by throwing, or those are calls of
  /// `agree`.
  ///
  /// - Returns: what `body` returned on this rank, once it has returned on every rank.
  /// - Throws: on the lowest rank that failed its own error; on every other rank, whether it failed
  ///   too or not, ``PeerFailed`` with that rank, its message and its exit code.
  package func agree<Value>(_ body: () throws -> Value) throws -> Value {
    let outcome = Result { try body() }
    var failure: (any Error)?
    if case .failure(let error) = outcome { failure = error }
    let report = failure.map { PeerFailed($0, on: self).encoded } ?? []
    let failures = try gatherAll(report).compactMap { PeerFailed(encoded: $0) }
    guard let first = failures.min(by: { $0.rank < $1.rank }) else { return try outcome.get() }
    if first.rank == rank, let failure { throw failure }
    throw first
  }
}

extension PeerFailed {
  /// The report of a rank's own failure. One that a nested call of `agree` brought from another
  /// rank stays that rank's.
  fileprivate init(_ error: any Error, on communicator: Communicator) {
    self =
      error as? PeerFailed
      ?? PeerFailed(
        rank: communicator.rank, message: "\(error)", exitCode: communicator.exitCode(error))
  }

  /// Rank and exit code as little-endian 32-bit integers, then the message in UTF-8.
  fileprivate var encoded: [UInt8] {
    [Int32(rank), exitCode].flatMap { number in
      (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    } + Array(message.utf8)
  }

  fileprivate init?(encoded bytes: [UInt8]) {
    guard bytes.count >= 8 else { return nil }
    let numbers = [0, 4].map { start in
      (0..<4).reduce(Int32(0)) { $0 | Int32(bytes[start + $1]) << ($1 * 8) }
    }
    self.init(
      rank: Int(numbers[0]), message: String(decoding: bytes[8...], as: UTF8.self),
      exitCode: numbers[1])
  }
}
