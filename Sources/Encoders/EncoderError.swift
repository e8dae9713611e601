/// What is wrong with a model's configuration, or with a batch that a model was given.
package struct EncoderError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file and key, tensor, or dataset row.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String

  package init(_ place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
