import Manifests

/// An open safetensors file whose header has been checked completely.
package final class SafetensorsFile: TensorFile {
  package let path: String
  /// In the order of their bytes in the file.
  package var tensors: [TensorEntry] { header.tensors }
  let isBigEndian = false

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

  func fill(
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
