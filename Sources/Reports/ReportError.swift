/// What is wrong with a run that a report was asked for.
package struct ReportError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The folder, or file and line.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
