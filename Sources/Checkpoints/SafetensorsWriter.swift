import Manifests

/// A tensor that can be written into a file, from memory or from another file.
package protocol WritableTensor {
  var name: String { get }
  /// Row-major; empty for a scalar.
  var shape: [Int] { get }
  var type: ElementType { get }
  /// The bytes of its elements in `type`.
  var byteCount: Int { get }

  /// Calls `body` with the tensor's bytes, row-major and little-endian, in consecutive blocks.
  ///
  /// - Parameter scratch: room for a block.
  func withBlocks(
    scratch: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws
}

/// A float32 tensor in the caller's memory, which must stay alive until it is written, and unchanged
/// unless a snapshot keeps what it was.
package struct TensorView: WritableTensor, @unchecked Sendable {
  package var name: String
  /// Row-major; empty for a scalar.
  package let shape: [Int]
  /// The product of `shape` elements.
  package let base: UnsafePointer<Float>
  /// Has `base` in one of its regions; nil when the memory itself is to be written.
  package var snapshot: LazySnapshot?

  package init(name: String, shape: [Int], base: UnsafePointer<Float>) {
    self.name = name
    self.shape = shape
    self.base = base
  }

  package var elementCount: Int { shape.reduce(1, *) }
  package var type: ElementType { .float32 }
  package var byteCount: Int { elementCount * 4 }

  package func withBlocks(
    scratch: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
    guard let snapshot else { return try body(bytes) }
    try snapshot.withBlocks(of: bytes, scratch: scratch, body)
  }
}

/// Writes `tensors` as a new safetensors file, hashed while it is written and flushed to the disk.
///
/// The same tensors give the same bytes, in whatever order they come, and the very bytes that the
/// reference implementation (`safetensors.torch.save_file` with metadata `format: pt`) writes:
/// tensors sorted by the bytes of their names, the header padded with spaces to a multiple of 8.
/// - Parameters:
///   - path: the file; it must not exist yet.
///   - tensors: names must differ.
///   - progress: called with the bytes of each block once it is written; may throw to end it there.
/// - Returns: the size and SHA-256 of the file.
package func writeSafetensors(
  _ tensors: [any WritableTensor], to path: String, progress: (Int) throws -> Void = { _ in }
) throws -> (sha256: String, bytes: Int64) {
  let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  for (a, b) in zip(sorted, sorted.dropFirst()) where a.name == b.name {
    throw CheckpointError(
      place: "\(path): tensor \(quoted(b.name))", expected: "each tensor once", found: "it twice",
      remedy: "give each tensor a name of its own")
  }
  var file = try HashedFileWriter(creating: path)
  try safetensorsHeader(sorted).withUnsafeBytes { try file.append($0, progress: progress) }
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
  defer { scratch.deallocate() }
  for tensor in sorted {
    try tensor.withBlocks(scratch: scratch) { try file.append($0, progress: progress) }
  }
  return try file.finish()
}

/// The header with its length in front; `sorted` as the tensors lie in the file.
private func safetensorsHeader(_ sorted: [any WritableTensor]) -> [UInt8] {
  var json = #"{"__metadata__":{"format":"pt"}"#
  var offset = 0
  for tensor in sorted {
    let end = offset + tensor.byteCount
    let shape = tensor.shape.map(String.init).joined(separator: ",")
    json += ",\(jsonString(tensor.name)):"
    json +=
      #"{"dtype":"\#(tensor.type.rawValue)","shape":[\#(shape)],"data_offsets":[\#(offset),\#(end)]}"#
    offset = end
  }
  json += "}"
  var header = Array(json.utf8)
  header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
  let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
  return length + header
}

/// `text` as a JSON string, escaping only what JSON demands.
func jsonString(_ text: String) -> String {
  var json = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": json += "\\\""
    case "\\": json += "\\\\"
    case "\u{8}": json += "\\b"
    case "\u{c}": json += "\\f"
    case "\n": json += "\\n"
    case "\r": json += "\\r"
    case "\t": json += "\\t"
    case "\u{0}"..<" ":
      let digits = String(scalar.value, radix: 16)
      json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: json.unicodeScalars.append(scalar)
    }
  }
  return json + "\""
}
