import Crypto
import Glibc

/// A file as a manifest lists it.
package struct FileRecord: Codable, Sendable, Equatable {
  /// A plain file name inside the folder, see ``isPlainFileName(_:)``.
  package let name: String
  package let bytes: Int64
  /// 64 lower-case hexadecimal digits.
  package let sha256: String

  package init(name: String, bytes: Int64, sha256: String) {
    self.name = name
    self.bytes = bytes
    self.sha256 = sha256
  }
}

/// Whether `name` can only mean an entry of the folder itself: no separator, no `.` or `..`, no
/// control characters, at most 255 bytes.
package func isPlainFileName(_ name: String) -> Bool {
  let bytes = name.utf8
  return !bytes.isEmpty && bytes.count <= 255 && name != "." && name != ".."
    && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }
}

/// Bytes hashed per read; large enough that the calls cost nothing beside the hash.
private let readBytes = 4 << 20
private let writeBytes = 1 << 20

/// The SHA-256 of a file's content, read once from start to end in bounded memory.
/// - Parameters:
///   - followingLinks: whether a symbolic link at `path` is followed or refused.
///   - progress: called with the bytes of each block once it is hashed; may throw to end it there.
/// - Returns: 64 lower-case hexadecimal digits, and the number of bytes hashed.
package func sha256OfFile(
  _ path: String, followingLinks: Bool = true, progress: (Int) throws -> Void = { _ in }
) throws -> (sha256: String, bytes: Int64) {
  let file = try OpenFile(reading: path, followingLinks: followingLinks)
  let capacity = Int(min(max(file.size, 1), Int64(readBytes)))
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
  defer { buffer.deallocate() }
  var hash = SHA256()
  var total: Int64 = 0
  while true {
    let count = try file.read(at: total, into: buffer)
    if count == 0 { break }
    hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    total += Int64(count)
    try progress(count)
  }
  return (hexadecimal(hash.finalize()), total)
}

/// The SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
package func sha256(of bytes: [UInt8]) -> String {
  var hash = SHA256()
  bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
  return hexadecimal(hash.finalize())
}

/// A new file that is hashed while it is written, so that its bytes are touched once.
package struct HashedFileWriter: ~Copyable {
  private var file: OpenFile
  private var hash = SHA256()

  /// Creates the file; it must not exist yet.
  package init(creating path: String) throws {
    file = try OpenFile(creating: path)
  }

  /// Appends all of `bytes`.
  /// - Parameter progress: called with the bytes of each block once it is written and hashed; may
  ///   throw to end it there.
  package mutating func append(
    _ bytes: UnsafeRawBufferPointer, progress: (Int) throws -> Void = { _ in }
  ) throws {
    var rest = bytes
    while !rest.isEmpty {
      // Blocks that fit a cache are hashed while they are warm from being copied.
      let block = UnsafeRawBufferPointer(rebasing: rest.prefix(writeBytes))
      try file.append(block)
      hash.update(bufferPointer: block)
      try progress(block.count)
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(writeBytes))
    }
  }

  /// Flushes the file to the disk and closes it.
  package mutating func finish() throws -> (sha256: String, bytes: Int64) {
    try file.synchronize()
    try file.close()
    return (hexadecimal(hash.finalize()), file.size)
  }
}

private func hexadecimal(_ digest: SHA256Digest) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  text.reserveCapacity(64)
  for byte in digest {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
