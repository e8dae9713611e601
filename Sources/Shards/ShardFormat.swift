import HDF5
import Manifests

/// What the rows of a shard are labelled for; it decides the form of the dataset `labels`.
package enum ShardTask: String, Sendable, Codable, CaseIterable {
  /// float32 [rows, labels]: for each label its probability, 0 or 1.
  case multiLabel = "multi-label"
  /// int32 [rows]: one of the labels.
  case multiClass = "multi-class"
  /// float32 [rows]
  case regression
  /// int32 [tokens]: one of the labels, or -100.
  case tokenClassification = "token-classification"
  /// int32 [rows, 2]: first and last token of the answer.
  case questionAnswering = "question-answering"
  /// int32 [rows]: whether the second segment follows the first.
  case pretraining
}

/// What all shards of a folder have in common.
package struct ShardDescription: Sendable, Equatable {
  package var task: ShardTask
  /// In the order of the columns of `labels`.
  package var labelNames: [String]
  /// The most tokens that a row may have, special tokens included.
  package var maxLength: Int
  /// Of the tokenizer that made the ids; 64 hexadecimal digits.
  package var vocabularySHA256: String
  /// Whether rows are pairs of texts, so that tokens have types.
  package var hasPairs: Bool

  package init(
    task: ShardTask = .multiLabel, labelNames: [String], maxLength: Int,
    vocabularySHA256: String, hasPairs: Bool
  ) {
    self.task = task
    self.labelNames = labelNames
    self.maxLength = maxLength
    self.vocabularySHA256 = vocabularySHA256
    self.hasPairs = hasPairs
  }
}

/// Names in the files, and sizes that decide how fast they are read.
enum ShardFormat {
  static let name = "lockstep-shards"
  static let version = 1
  /// A data set with more classes or tags has another kind of column in their place.
  static let mostLabels = 1 << 12

  static let inputIDs = "input_ids"
  static let offsets = "offsets"
  static let tokenTypeIDs = "token_type_ids"
  static let rowIDs = "row_ids"
  static let rowIDOffsets = "row_id_offsets"
  static let labels = "labels"
  static let attentionMask = "attention_mask"
  static let contexts = "contexts"
  static let contextOffsets = "context_offsets"
  static let contextRanges = "context_ranges"

  /// A chunk is decoded whole for one row of it: 32 KiB take about 0.1 ms, and still compress.
  static let chunkBytes = 32 << 10

  static func chunkRows(rowBytes: Int) -> Int { max(1, chunkBytes / rowBytes) }

  static func fileName(_ shard: Int) -> String {
    let digits = String(shard)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".h5"
  }

  /// Every shard says what it is, so that one that strays from its folder can still be read.
  static func writeAttributes(
    _ description: ShardDescription, rows: Int, tokens: Int, to file: borrowing File
  ) throws {
    try file.writeAttribute("format", name)
    try file.writeAttribute("version", Int64(version))
    try file.writeAttribute("task", description.task.rawValue)
    try file.writeAttribute("label_names", description.labelNames)
    try file.writeAttribute("max_length", Int64(description.maxLength))
    try file.writeAttribute("vocabulary_sha256", description.vocabularySHA256)
    try file.writeAttribute("rows", Int64(rows))
    try file.writeAttribute("tokens", Int64(tokens))
  }

  /// The attributes of a shard whose `format` says that it is one of ours.
  static func readAttributes(
    of file: borrowing File
  ) throws -> (description: ShardDescription, rows: Int, tokens: Int) {
    let place = file.path
    func require<T>(_ name: String, _ value: T?) throws -> T {
      guard let value else {
        throw ShardsError(
          place: "\(place) attribute \(name)", expected: "a value", found: "no such attribute",
          remedy: "write the shards again")
      }
      return value
    }
    let version = try require("version", file.integerAttribute("version"))
    let taskName = try require("task", file.stringAttribute("task"))
    let task = try checked(version: Int(clamping: version), task: taskName, place)
    let description = ShardDescription(
      task: task, labelNames: try require("label_names", file.stringsAttribute("label_names")),
      maxLength: Int(try require("max_length", file.integerAttribute("max_length"))),
      vocabularySHA256: try require(
        "vocabulary_sha256", file.stringAttribute("vocabulary_sha256")),
      hasPairs: try file.contains(tokenTypeIDs))
    let rows = try require("rows", file.integerAttribute("rows"))
    let tokens = try require("tokens", file.integerAttribute("tokens"))
    return (description, Int(rows), Int(tokens))
  }

  static func checked(version: Int, task: String, _ place: String) throws -> ShardTask {
    guard version == ShardFormat.version else {
      throw ShardsError(
        place: place, expected: "version \(ShardFormat.version) of \(name)",
        found: "version \(version)", remedy: "use the lockstep that wrote it, or write it again")
    }
    guard let task = ShardTask(rawValue: task) else {
      throw ShardsError(
        place: place,
        expected: "a task: \(ShardTask.allCases.map(\.rawValue).joined(separator: ", "))",
        found: quoted(task), remedy: "use the lockstep that wrote it, or write it again")
    }
    return task
  }
}
