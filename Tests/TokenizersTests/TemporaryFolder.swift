import Foundation

/// A folder of a test's own, deleted with the last reference to it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "lockstep-tokenizers-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, as name: String) throws {
    try write(Data(text.utf8), as: name)
  }

  func write(_ data: Data, as name: String) throws {
    try data.write(to: URL(filePath: path + "/" + name))
  }

  func copy(_ source: String, as name: String) throws {
    try write(Data(contentsOf: URL(filePath: source)), as: name)
  }
}
