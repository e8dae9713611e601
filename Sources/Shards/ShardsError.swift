import Manifests

/// What went wrong with a data set or a shard, in one line that a user can act on.
package struct ShardsError: Error, CustomStringConvertible, Sendable, Equatable {
  /// `path`, `path:line`, `path:line:column` (both from 1, columns in bytes) or `path:/dataset`.
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

/// Names as an error lists them; a table of a thousand columns is cut.
func quotedList(_ names: [String]) -> String {
  if names.isEmpty { return "none" }
  let shown = names.prefix(30).map { quoted($0) }.joined(separator: ", ")
  return names.count > 30 ? "\(shown) and \(names.count - 30) more" : shown
}
