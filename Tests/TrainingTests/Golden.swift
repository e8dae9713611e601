import Checkpoints
import Encoders
import Foundation
import Kernels
import Training

/// Places of reference data.
enum Reference {
  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let fixtures = package + "/Tests/Fixtures"
  static let shared = package + "/../shared"

  /// Reads Python's snake_case keys.
  static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The pretrained MiniLM folder, from `LOCKSTEP_MINILM` or the cache of the launch scripts.
  static var miniLM: String? {
    let home = environment("HOME") ?? ""
    let cache =
      environment("LOCKSTEP_CACHE") ?? (environment("XDG_CACHE_HOME") ?? home + "/.cache")
      + "/lockstep"
    return [environment("LOCKSTEP_MINILM"), cache + "/minilm"].compactMap { $0 }
      .first { exists($0 + "/model.safetensors") }
  }
}

/// A safetensors file of reference numbers.
struct GoldenTensors {
  private let entries: [String: TensorEntry]
  private let data: Data
  let names: [String]

  init(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    data = bytes.dropFirst(8 + header)
    names = file.tensors.map(\.name)
    entries = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
  }

  func shape(_ name: String) -> [Int]? { entries[name]?.shape }

  func floats(_ name: String) -> [Float]? { values(name) }
  func integers(_ name: String) -> [Int32]? { values(name) }

  private func values<Value: BitwiseCopyable>(_ name: String) -> [Value]? {
    guard let entry = entries[name] else { return nil }
    let start = data.startIndex + entry.bytes.lowerBound
    let part = data[start..<start + entry.bytes.count]
    return part.withUnsafeBytes { raw in
      (0..<entry.elementCount).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
      }
    }
  }

  /// The padded rows of input_ids [S, n] under attention_mask, packed.
  func packedBatch() -> (batch: PackedBatch, padded: Int)? {
    guard let ids = integers("input_ids"), let mask = integers("attention_mask"),
      let shape = shape("input_ids")
    else { return nil }
    let types = integers("token_type_ids")
    let kept = mask.indices.filter { mask[$0] != 0 }
    let lengths = (0..<shape[0]).map { row in
      mask[row * shape[1]..<(row + 1) * shape[1]].count { $0 != 0 }
    }
    let bounds = lengths.reduce(into: [Int32(0)]) { $0.append($0[$0.count - 1] + Int32($1)) }
    let batch = PackedBatch(
      inputIDs: kept.map { ids[$0] }, typeIDs: types.map { types in kept.map { UInt8(types[$0]) } },
      cumulativeLengths: bounds, rows: (0..<UInt32(shape[0])).map { $0 })
    return (batch, shape[1])
  }
}

/// How far computed numbers lie from reference ones, as fractions of what is allowed.
struct GoldenComparison {
  private(set) var worst = (share: 0.0, error: 0.0, tensor: "none")
  private(set) var failures: [String] = []

  /// - Parameters:
  ///   - error: Relative, as it is reported.
  ///   - tolerance: Of that error.
  mutating func note(_ tensor: String, error: Double, tolerance: Double) {
    let share = error.isFinite ? error / tolerance : .infinity
    if share > worst.share { worst = (share, error, tensor) }
    if !(share <= 1) { failures.append("\(tensor): error \(error), allowed \(tolerance)") }
  }

  /// Compares a tensor by the norm of the difference over the norm of the reference.
  ///
  /// - Parameter floor: Added to the reference's norm: gradients of key biases are 0 but for rounding.
  mutating func compare(
    _ tensor: String, _ actual: [Float], _ expected: [Float], tolerance: Double, floor: Double = 0
  ) {
    guard actual.count == expected.count else {
      failures.append("\(tensor): \(actual.count) values, expected \(expected.count)")
      return
    }
    let difference = norm(zip(actual, expected).map { Double($0) - Double($1) })
    let scale = norm(expected.map(Double.init)) + floor
    note(tensor, error: difference == 0 ? 0 : difference / scale, tolerance: tolerance)
  }

  mutating func compare(_ name: String, _ actual: Double, _ expected: Double, tolerance: Double) {
    note(name, error: abs(actual - expected) / abs(expected), tolerance: tolerance)
  }
}

func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

func array(_ base: Floats, _ count: Int) -> [Float] {
  Array(UnsafeBufferPointer(start: base, count: count))
}

extension Replica {
  /// The gradient of micro-batches that are the whole world's, scaled to the mean loss, without
  /// dropout.
  ///
  /// - Returns: The mean loss.
  func computeWholeGradient(of batches: [LabelledBatch]) -> Double {
    let elements = batches.reduce(0) { $0 + $1.labels.count }
    let ids = begin(batches)
    let losses = computeGradient(of: batches, scale: 1 / Float(elements), dropout: nil)
    ids.withUnsafeBufferPointer { sumWordRows(touchedBy: $0) }
    return losses.reduce(0, +) / Double(elements)
  }

  /// A parameter's gradient, with zeros for the words that no token had.
  func gradient(of parameter: Parameter) -> [Float] {
    let dense = model.layout.dense
    if parameter != model.layout.wordTable {
      return array(Floats(gradient) + (parameter.offset - dense.lowerBound), parameter.count)
    }
    let width = parameter.shape[1]
    var whole = [Float](repeating: 0, count: parameter.count)
    for (index, row) in touchedWords.enumerated() {
      let values = Array(wordGradient[index * width..<(index + 1) * width])
      whole.replaceSubrange(Int(row) * width..<(Int(row) + 1) * width, with: values)
    }
    return whole
  }
}
