/// What went wrong between ranks: where, what was expected, what was found, what to do.
package struct CollectiveError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The rank and host, or the launcher, that the error is about.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String

  package init(place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String { "\(place): expected \(expected), found \(found); \(remedy)" }
}

/// Another rank's failure, as ``Communicator/agree(_:)`` reports it on the ranks that did not fail
/// first.
package struct PeerFailed: Error, CustomStringConvertible, Sendable, Equatable {
  /// The lowest rank that failed.
  package let rank: Int
  /// That rank's own error, as text.
  package let message: String
  /// The exit code that every rank ends with.
  package let exitCode: Int32

  package init(rank: Int, message: String, exitCode: Int32) {
    self.rank = rank
    self.message = message
    self.exitCode = exitCode
  }

  package var description: String { "rank \(rank): \(message)" }
}
