/// A benchmark that cannot be run as asked, or whose result was wrong before it was timed.
package struct BenchmarkError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file, product or exchange.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }
}
