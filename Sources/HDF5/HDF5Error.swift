/// What went wrong in an HDF5 file.
///
/// `place` is the file, followed by `:/name` for a dataset and ` attribute name` for an
/// attribute; `found` carries the innermost message of the library's error stack.
package struct HDF5Error: Error, CustomStringConvertible, Sendable, Equatable {
  package let place, expected, found, remedy: String

  package init(place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  package var description: String { "\(place): expected \(expected), found \(found); \(remedy)" }
}
