import Foundation
import Manifests

/// A JSON object that has a number for every label of a model, by the label's name.
struct LabelNumbers {
  /// The file, in errors.
  let path: String
  /// What the numbers are, in errors: `thresholds`.
  let kind: String
  let range: ClosedRange<Double>

  /// Far above any real file: 65,536 labels of 100 bytes.
  private static let byteLimit = 16 << 20

  /// - Returns: [labels] In the order of the names.
  /// - Throws: `TrainingError` naming the file, and the label that is missing, unknown, twice or has no
  ///   number of the range.
  func read(labelNames: [String]) throws -> [Double] {
    let bytes: [UInt8]
    do {
      bytes = try contents(ofFile: path, limit: Self.byteLimit)
    } catch let error as ManifestError {
      throw wrong(error.place, "a readable file of \(kind)", "\(error.found)")
    }
    return try parse(bytes, labelNames: labelNames)
  }

  func parse(_ bytes: [UInt8], labelNames: [String]) throws -> [Double] {
    let places = Dictionary(
      labelNames.enumerated().map { ($0.element, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    var numbers = [Double?](repeating: nil, count: labelNames.count)
    do {
      var json = JSONReader(bytes)
      try json.readObject { name, json in
        guard let label = places[name] else {
          throw wrong(path, "the labels \(list(labelNames))", "the label \(quoted(name))")
        }
        let value = try json.readNumber()
        guard range.contains(value) else {
          throw wrong(
            "\(path): \(quoted(name))", "\(range.lowerBound) to \(range.upperBound)", "\(value)")
        }
        numbers[label] = value
      }
      try json.readEnd()
    } catch let defect as JSONReader.Defect {
      throw wrong("\(path), byte \(defect.offset)", defect.expected, defect.found)
    }
    if let missing = numbers.firstIndex(where: { $0 == nil }) {
      throw wrong(path, "a number for each label", "none for \(quoted(labelNames[missing]))")
    }
    return numbers.compactMap { $0 }
  }

  /// An object of a line a label, in the order of the names: the same numbers give the same bytes, and
  /// reading gives the same numbers.
  static func json(_ numbers: [Double], labelNames: [String]) throws -> [UInt8] {
    precondition(numbers.count == labelNames.count, "a number a label")
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let lines = try zip(labelNames, numbers).map { name, number in
      "  " + String(decoding: try encoder.encode(name), as: UTF8.self) + ": \(number)"
    }
    return Array("{\n\(lines.joined(separator: ",\n"))\n}\n".utf8)
  }

  private func list(_ names: [String]) -> String {
    let shown = names.prefix(20).map(quoted).joined(separator: ", ")
    return names.count > 20 ? "\(shown) and \(names.count - 20) more" : shown
  }

  private func wrong(_ place: String, _ expected: String, _ found: String) -> TrainingError {
    TrainingError(
      .data, place, expected: expected, found: found,
      remedy: "give one object of \(kind), a number for each label of the model")
  }
}
