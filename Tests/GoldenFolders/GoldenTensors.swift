import Checkpoints
import Foundation

/// A safetensors file of reference numbers.
package struct GoldenTensors {
  /// In the file's order.
  package let names: [String]
  private let path: String
  private let entries: [String: TensorEntry]
  private let data: Data

  /// - Throws: `CheckpointError` or Foundation's error for a file that cannot be read.
  package init(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    self.path = path
    data = bytes.dropFirst(8 + header)
    names = file.tensors.map(\.name)
    entries = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
  }

  package func has(_ name: String) -> Bool { entries[name] != nil }

  // Each throws `GoldenError` where the file has no such tensor.

  package func shape(_ name: String) throws -> [Int] { try entry(name).shape }
  /// A tensor of float32.
  package func floats(_ name: String) throws -> [Float] { try values(name) }
  /// A tensor of int32.
  package func integers(_ name: String) throws -> [Int32] { try values(name) }

  /// token_type_ids, padded as input_ids are; nil where the model takes none.
  package var tokenTypes: [UInt8]? {
    get throws { has("token_type_ids") ? try integers("token_type_ids").map { UInt8($0) } : nil }
  }

  /// Where the file has a tensor's bytes.
  package func fileRange(of name: String) throws -> Range<Int> {
    let bytes = try entry(name).bytes
    return data.startIndex + bytes.lowerBound..<data.startIndex + bytes.upperBound
  }

  private func entry(_ name: String) throws -> TensorEntry {
    guard let entry = entries[name] else {
      throw GoldenError(description: "\(path): expected a tensor \(name), found none")
    }
    return entry
  }

  private func values<Value: BitwiseCopyable>(_ name: String) throws -> [Value] {
    let entry = try entry(name)
    let start = data.startIndex + entry.bytes.lowerBound
    let part = data[start..<start + entry.bytes.count]
    return part.withUnsafeBytes { raw in
      (0..<entry.elementCount).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
      }
    }
  }
}

/// A folder of reference numbers that cannot be compared with: which, what was expected, what found.
package struct GoldenError: Error, CustomStringConvertible {
  package let description: String
}
