import Foundation
import Manifests

/// How predictions are written on standard output.
enum PredictionFormat: String, CaseIterable {
  /// For people.
  case text
  /// An array of objects.
  case json
  /// An object a line.
  case jsonl
}

/// Writes predictions, and lines that have none, in the order of the rows.
struct PredictionOutput {
  private struct Failure: Encodable {
    let line: Int
    let error: String
  }

  private let format: PredictionFormat
  private let encoder = JSONEncoder()
  private var waiting: [UInt8] = []
  private var count = 0

  init(_ format: PredictionFormat) {
    self.format = format
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  mutating func append(_ prediction: any Prediction) throws {
    if format == .text {
      waiting += Array((prediction.lines + "\n").utf8)
    } else {
      try append(object: prediction)
    }
  }

  /// - Parameter line: From 1.
  mutating func append(_ error: BadLine, line: Int) throws {
    let text = "expected \(error.expected), found \(error.found)"
    if format == .text {
      waiting += Array("error: line \(line): \(text)\n".utf8)
    } else {
      try append(object: Failure(line: line, error: text))
    }
  }

  private mutating func append(object: some Encodable) throws {
    if format == .json { waiting += Array((count == 0 ? "[" : ",").utf8) }
    waiting += try encoder.encode(object) + [UInt8(ascii: "\n")]
    count += 1
  }

  /// Writes what is waiting: a reader of the pipe sees each batch at once.
  mutating func flush() throws { try writeToStandardOutput(&waiting) }

  mutating func finish() throws {
    if format == .json { waiting += Array((count == 0 ? "[]\n" : "]\n").utf8) }
    try flush()
  }
}
