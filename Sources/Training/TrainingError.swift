/// What is wrong with a run: its configuration, its data, its checkpoints, or its numbers.
package struct TrainingError: Error, CustomStringConvertible, Sendable, Equatable {
  /// Whether the command was wrong (exit 64), what it read (exit 65), or a machine (exit 70).
  package enum Kind: Sendable {
    case usage
    case data
    case machine
  }

  package let kind: Kind
  /// The flag, file, row, tensor or step.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String

  package init(
    _ kind: Kind, _ place: String, expected: String, found: String, remedy: String
  ) {
    self.kind = kind
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
