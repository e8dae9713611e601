import Manifests

/// The header of a safetensors file, checked completely.
///
/// The format: eight bytes of header length (little-endian), the header (a JSON object of tensors
/// by name, and `__metadata__`), then the tensors' bytes, back to back without gaps.
/// https://github.com/huggingface/safetensors#format
package struct SafetensorsHeader: Sendable, Equatable {
  /// The longest header that the reference implementation reads.
  static let byteLimit = 100_000_000

  /// In the order of their bytes in the file.
  package let tensors: [TensorEntry]

  /// Parses `bytes`, the header without its length, and checks that the tensors cover
  /// `dataByteCount` bytes exactly.
  /// - Parameter path: the file, named in errors.
  init(parsing bytes: [UInt8], dataByteCount: Int, path: String) throws {
    var tensors: [TensorEntry] = []
    do {
      var json = JSONReader(bytes, maxDepth: 8)
      try json.readObject { key, json in
        if key == "__metadata__" {
          try json.readObject { _, json in _ = try json.readString() }
        } else {
          tensors.append(try Self.readTensor(key, &json, path: path))
        }
      }
      try json.readEnd()
    } catch let defect as JSONReader.Defect {
      throw damaged(
        "\(path): header byte \(defect.offset)", defect.expected, defect.found)
    }
    self.tensors = try Self.inFileOrder(tensors, dataByteCount: dataByteCount, path: path)
  }

  private static func readTensor(
    _ name: String, _ json: inout JSONReader, path: String
  ) throws -> TensorEntry {
    let place = "\(path): tensor \(quoted(name))"
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    do {
      try json.readObject { key, json in
        switch key {
        case "dtype": typeName = try json.readName()
        case "shape": shape = try readIntegers(&json)
        case "data_offsets": offsets = try readIntegers(&json)
        default: try json.skipValue()
        }
      }
    } catch let defect as JSONReader.Defect {
      throw damaged(
        "\(place) (header byte \(defect.offset))", defect.expected, defect.found)
    }
    guard let typeName else { throw damaged(place, "a dtype", "none") }
    guard let type = ElementType(rawValue: typeName) else {
      throw damaged(
        place, "a known dtype such as F32, F16 or BF16", quoted(typeName),
        remedy: "convert the tensor to F32")
    }
    guard let shape else { throw damaged(place, "a shape", "none") }
    guard let offsets else { throw damaged(place, "data_offsets", "none") }
    guard offsets.count == 2 else {
      throw damaged(place, "two data_offsets", "\(offsets.count)")
    }
    guard offsets[0] >= 0, offsets[0] <= offsets[1] else {
      throw damaged(place, "data_offsets [begin, end] with 0 <= begin <= end", "\(offsets)")
    }
    let bytes = offsets[0]..<offsets[1]
    let expected = try byteCount(shape, type, place)
    guard bytes.count == expected else {
      throw damaged(
        place, "\(expected) bytes for \(typeName) \(shapeText(shape))", "\(bytes.count) bytes")
    }
    return TensorEntry(name: name, type: type, shape: shape, bytes: bytes)
  }

  private static func readIntegers(_ json: inout JSONReader) throws -> [Int] {
    var values: [Int] = []
    try json.readArray { json in values.append(try json.readInteger()) }
    return values
  }

  private static func byteCount(
    _ shape: [Int], _ type: ElementType, _ place: String
  ) throws -> Int {
    var count = type.byteWidth
    for size in shape {
      guard size >= 0 else { throw damaged(place, "a shape of sizes >= 0", shapeText(shape)) }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else {
        throw damaged(place, "a shape of less than 2^63 bytes", shapeText(shape))
      }
      count = product
    }
    return count
  }

  /// Sorts by offset and checks that every byte belongs to exactly one tensor, as the reference
  /// implementation demands: bytes outside of tensors could hide another file.
  private static func inFileOrder(
    _ tensors: [TensorEntry], dataByteCount: Int, path: String
  ) throws -> [TensorEntry] {
    let sorted = tensors.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
    }
    var end = 0
    for tensor in sorted {
      let place = "\(path): tensor \(quoted(tensor.name))"
      guard tensor.bytes.upperBound <= dataByteCount else {
        throw damaged(
          place, "data_offsets within the file's \(dataByteCount) bytes of data",
          "end \(tensor.bytes.upperBound)",
          remedy: "the file is cut short or damaged: use another copy of it")
      }
      guard tensor.bytes.lowerBound == end else {
        let kind = tensor.bytes.lowerBound < end ? "an overlap" : "a gap"
        throw damaged(
          place, "its data to begin at byte \(end), where the tensor before it ends",
          "\(kind): begin \(tensor.bytes.lowerBound)")
      }
      end = tensor.bytes.upperBound
    }
    guard end == dataByteCount else {
      throw damaged(
        path, "\(end) bytes of data, where the last tensor ends", "\(dataByteCount) bytes")
    }
    return sorted
  }
}

/// An error of a file that cannot be repaired by an option.
func damaged(
  _ place: String, _ expected: String, _ found: String,
  remedy: String = "the file is damaged: use another copy of it"
) -> CheckpointError {
  CheckpointError(place: place, expected: expected, found: found, remedy: remedy)
}

/// A shape in messages; strangers' shapes may have any length.
func shapeText(_ shape: [Int]) -> String {
  shape.count <= 8 ? "\(shape)" : "\(shape.prefix(8).dropLast())… (\(shape.count) dimensions)"
}
