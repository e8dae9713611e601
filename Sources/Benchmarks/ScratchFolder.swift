import Foundation

/// A folder under the system's temporary one, which TMPDIR names, that goes with the object.
package final class ScratchFolder {
  package let path: String

  /// - Throws: `BenchmarkError` where none can be made.
  package init() throws {
    var template = Array((NSTemporaryDirectory() + "/lockstep-bench-XXXXXX").utf8CString)
    guard let made = mkdtemp(&template) else {
      throw BenchmarkError(
        place: NSTemporaryDirectory(), expected: "a folder that can be written",
        found: String(cString: strerror(errno)), remedy: "name another with TMPDIR")
    }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
