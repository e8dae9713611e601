import Foundation
import HDF5
import Manifests

/// What an evaluation needs to know about a row of question answering beside its tokens.
package struct AnswerContext: Sendable, Equatable {
  package let context: String
  /// Texts of the right answers; none where there is no answer.
  package let answers: [String]
  /// [tokens of the row] Where each lies in the context's UTF-8; nil for the question's and special ones.
  package let ranges: [Range<Int>?]

  package init(context: String, answers: [String], ranges: [Range<Int>?]) {
    self.context = context
    self.answers = answers
    self.ranges = ranges
  }
}

/// The JSON that a shard keeps of a row.
struct ContextRecord: Codable {
  let context: String
  let answers: [String]

  /// - Throws: `ShardsError` for what a writer would not have written.
  init(json: [UInt8], _ place: String) throws {
    do {
      self = try JSONDecoder().decode(ContextRecord.self, from: Data(json))
    } catch {
      throw ShardsError(
        place: place, expected: "JSON of a context and its answers", found: "other bytes",
        remedy: "write the shards again")
    }
  }

  init(context: String, answers: [String]) { (self.context, self.answers) = (context, answers) }
}

extension AnswerContext {
  /// Sorted keys: the same row gives the same bytes.
  func record() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(ContextRecord(context: context, answers: answers)))
  }

  /// Whether the records would be the same.
  func hasRecord(of other: AnswerContext) -> Bool {
    // Bytes: strings are equal where Unicode calls them equivalent.
    func same(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
    return same(context, other.context) && answers.count == other.answers.count
      && zip(answers, other.answers).allSatisfy(same)
  }

  /// [tokens, 2] First byte and the byte after the last; -1, -1 for none.
  var bounds: [Int32] {
    ranges.flatMap { range in
      range.map { [Int32($0.lowerBound), Int32($0.upperBound)] } ?? [-1, -1]
    }
  }

  /// - Throws: `ShardsError` for what a writer would not have written.
  init(record: ContextRecord, bounds: [Int32], _ place: String) throws {
    let length = Int32(clamping: record.context.utf8.count)
    ranges = try stride(from: 0, to: bounds.count, by: 2).map { index in
      let (start, end) = (bounds[index], bounds[index + 1])
      if start == -1, end == -1 { return nil }
      guard 0 <= start, start <= end, end <= length else {
        throw ShardsError(
          place: place, expected: "bytes within a context of \(length)",
          found: "\(start) to \(end)", remedy: "write the shards again")
      }
      return Int(start)..<Int(end)
    }
    context = record.context
    answers = record.answers
  }
}
