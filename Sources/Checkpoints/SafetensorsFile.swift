import Manifests

/// An open safetensors file whose header has been checked completely.
///
/// Tensors are read with `pread`, straight into the caller's memory: a file that shrinks, or a disk
/// that fails while it is read, is an error with a path; a mapping would end the process.
package final class SafetensorsFile {
  package let path: String
  /// In the order of their bytes in the file.
  package var tensors: [TensorEntry] { header.tensors }

  private let file: OpenFile
  private let header: SafetensorsHeader
  private let dataStart: Int64

  /// Opens `path` and checks its header; no tensor is read yet.
  package init(path: String) throws {
    file = try OpenFile(reading: path)
    self.path = path
    let headerBytes = try Self.readHeader(file)
    dataStart = 8 + Int64(headerBytes.count)
    header = try SafetensorsHeader(
      parsing: headerBytes, dataByteCount: Int(file.size - dataStart), path: path)
  }

  /// The header without its length, which is believed only as far as the file reaches.
  private static func readHeader(_ file: borrowing OpenFile) throws -> [UInt8] {
    guard file.size >= 8 else {
      throw damaged(file.path, "at least 8 bytes, the length of the header", "\(file.size) bytes")
    }
    var prefix = [UInt8](repeating: 0, count: 8)
    _ = try prefix.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }
    let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let limit = min(UInt64(SafetensorsHeader.byteLimit), UInt64(file.size - 8))
    guard length <= limit else {
      throw damaged(
        file.path, "a header of at most \(limit) bytes in a file of \(file.size)",
        "a length of \(length)",
        remedy: "this is no safetensors file, or it is cut short: use another copy of it")
    }
    var bytes = [UInt8](repeating: 0, count: Int(length))
    let count = try bytes.withUnsafeMutableBytes { try file.read(at: 8, into: $0) }
    guard count == bytes.count else {
      throw damaged(file.path, "a header of \(bytes.count) bytes", "\(count) bytes")
    }
    return bytes
  }

  /// Reads a tensor as float32, row-major; F16 and BF16 are widened, which is exact.
  /// - Parameters:
  ///   - entry: one of ``tensors``.
  ///   - shape: what the caller has room for; must be the entry's.
  ///   - destination: overwritten with the product of `shape` elements.
  package func read(
    _ entry: TensorEntry, shape: [Int], into destination: UnsafeMutablePointer<Float>
  ) throws {
    let place = "\(path): tensor \(quoted(entry.name))"
    guard entry.shape == shape else {
      throw CheckpointError(
        place: place, expected: "shape \(shapeText(shape))",
        found: shapeText(entry.shape), remedy: "use the weights that belong to this config.json")
    }
    guard entry.type.widensToFloat32 else {
      throw CheckpointError(
        place: place, expected: "a float tensor (F32, F16 or BF16)", found: entry.type.rawValue,
        remedy: "convert the tensor to F32")
    }
    let raw = UnsafeMutableRawBufferPointer(start: destination, count: entry.elementCount * 4)
    if entry.type == .float32 {
      try fill(raw, from: entry.bytes.lowerBound, place)
    } else {
      // The halves go into the upper half of the destination, then widen from the front: element i
      // is written at byte 4i and read at byte 2n + 2i, which lies never before it.
      let halves = UnsafeMutableRawBufferPointer(rebasing: raw[(raw.count / 2)...])
      try fill(halves, from: entry.bytes.lowerBound, place)
      let widen = entry.type == .float16 ? float(fromHalf:) : float(fromBFloat16:)
      for index in 0..<entry.elementCount {
        let bits = halves.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        destination[index] = widen(UInt16(littleEndian: bits))
      }
    }
  }

  private func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from offset: Int, _ place: String
  ) throws {
    let count = try file.read(at: dataStart + Int64(offset), into: buffer)
    guard count == buffer.count else {
      throw damaged(
        place, "\(buffer.count) bytes", "\(count) bytes before the end of the file",
        remedy: "the file shrank while it was read: use another copy of it")
    }
  }
}
