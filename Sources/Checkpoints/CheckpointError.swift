/// What is wrong with a model folder, a checkpoint or a run folder, in one line.
package struct CheckpointError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file as the user named it, and the tensor where there is one.
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

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
