import Foundation

/// metrics.jsonl: one JSON object a line, in the order of events.
///
/// A checkpoint records the length that ``GrowingFile/writeWaiting()`` gives, and makes it durable.
final class MetricsLog {
  let file: GrowingFile
  private let encoder = JSONEncoder()

  /// Opens the file, or creates it, and cuts what lies beyond `bytes`.
  ///
  /// - Throws: `TrainingError` naming the file.
  init(path: String, keeping bytes: Int) throws {
    file = try GrowingFile(path: path, keeping: bytes)
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  /// Appends one line, now or as soon as the file system takes it.
  ///
  /// - Throws: `TrainingError` when more is waiting than can be kept.
  func append(_ record: some Encodable) throws {
    try file.append(try encoder.encode(record) + Data("\n".utf8))
  }
}
