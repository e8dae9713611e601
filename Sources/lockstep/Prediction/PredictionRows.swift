import Encoders
import Foundation
import Manifests

/// What a prediction is asked for.
struct PredictionRow {
  /// The text; in question answering the question.
  var text: String
  /// The second text of a pair; in question answering the context.
  var pair: String?
  /// The text's words, where it came in words.
  var words: [String]?
  /// What the user calls the row.
  var id: JSONValue?
}

extension PredictionRow {
  private enum CodingKeys: String, CodingKey { case id, text, pair }

  /// Writes what came in, for a prediction to write its answer beside it.
  func encodeInput(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(id, forKey: .id)
    try values.encode(text, forKey: .text)
    try values.encodeIfPresent(pair, forKey: .pair)
  }

  /// An answer and the texts that it is to, on one line, whatever they hold.
  func line(_ answer: String) -> String {
    ([answer] + ([text] + (pair.map { [$0] } ?? [])).map(printable)).joined(separator: "\t")
  }
}

/// How rows are written on standard input.
enum PredictionInput: String, CaseIterable {
  /// A text a line, or two with a tab between them.
  case text
  /// A JSON object a line.
  case jsonl
}

/// A line that is no row: what is wrong with it.
struct BadLine: Error {
  let expected: String
  let found: String
}

extension PredictionRow {
  /// A row out of a line of standard input.
  ///
  /// - Parameters:
  ///   - hasPair: Whether the model is asked about two texts: question and context, or a pair.
  /// - Throws: ``BadLine``.
  init(line: [UInt8], form: PredictionInput, hasPair: Bool) throws {
    switch form {
    case .text: try self.init(textLine: line, hasPair: hasPair)
    case .jsonl: try self.init(json: line, hasPair: hasPair)
    }
  }

  private init(textLine line: [UInt8], hasPair: Bool) throws {
    let bytes = line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...]
    guard let whole = String(validating: bytes, as: UTF8.self) else {
      throw BadLine(expected: "UTF-8", found: "other bytes")
    }
    text = whole
    guard hasPair else { return }
    // A tab in the second text is a part of it.
    guard let tab = whole.utf8.firstIndex(of: UInt8(ascii: "\t")) else {
      throw BadLine(expected: "two texts with a tab between them", found: "no tab")
    }
    text = String(whole[..<tab])
    pair = String(whole[whole.index(after: tab)...])
  }

  /// {"text", "pair"}, {"words"} or {"question", "context"}, and "id" in each; other keys are passed over.
  private init(json bytes: [UInt8], hasPair: Bool) throws {
    var values: [String: String] = [:]
    var (id, words): (JSONValue?, [String]?) = (nil, nil)
    var keys: [String] = []
    var json = JSONReader(bytes)
    do {
      try json.readObject { key, json in
        keys.append(key)
        switch key {
        case "text", "pair", "question", "context": values[key] = try json.readString()
        case "id": id = try Self.id(of: json.readBytes())
        case "words":
          var list: [String] = []
          try json.readArray { list.append(try $0.readString()) }
          words = list
        default: try json.skipValue()
        }
      }
      try json.readEnd()
    } catch let defect as JSONReader.Defect {
      throw BadLine(expected: "\(defect.expected) at byte \(defect.offset)", found: defect.found)
    }
    let found =
      keys.isEmpty ? "no key" : "the keys \(keys.prefix(20).map(quoted).joined(separator: ", "))"
    guard keys.count(where: ["text", "question", "words"].contains) < 2 else {
      throw BadLine(expected: "one of the keys text, words and question", found: found)
    }
    guard let text = values["text"] ?? values["question"] ?? words?.joined(separator: " ") else {
      throw BadLine(
        expected: "the key text, words or question", found: found)
    }
    pair = values["pair"] ?? values["context"]
    guard hasPair == (pair != nil) else {
      throw BadLine(
        expected: hasPair ? "the key pair or context" : "one text: --pairs takes two", found: found)
    }
    (self.text, self.words, self.id) = (text, words, id)
  }

  private static func id(of bytes: ArraySlice<UInt8>) throws -> JSONValue {
    guard let id = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
      throw BadLine(expected: "an id that is a string or an integer", found: "another number")
    }
    switch id {
    case .string, .integer: return id
    default: throw BadLine(expected: "an id that is a string or an integer", found: "another value")
    }
  }
}
