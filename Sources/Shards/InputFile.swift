import Glibc

/// A text file that is read line by line, as often as needed, in constant memory.
///
/// Standard input (`-`) and other streams are copied into a temporary file first, which has no
/// name and goes with the process: rows are counted before the first one is written.
final class InputFile {
  /// A longer line is a file without line ends, or a quote that nobody closed.
  static let maximumRowBytes = 64 << 20

  /// The path, as errors name it.
  let name: String
  /// The number of the line that was read last, from 1.
  private(set) var line = 0

  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var position = 0
  private var end = 0
  /// Bytes of the file before `buffer[0]`.
  private var bufferOffset = 0

  init(path: String) throws {
    name = path == "-" ? "standard input" : path
    let opened = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw systemError(name, "a readable file") }
    var status = stat()
    guard fstat(opened, &status) == 0 else {
      let error = systemError(name, "a readable file")
      close(opened)
      throw error
    }
    if status.st_mode & S_IFMT == S_IFREG {
      descriptor = opened
    } else {
      defer { close(opened) }
      guard status.st_mode & S_IFMT != S_IFDIR else {
        throw ShardsError(
          place: name, expected: "a file of rows", found: "a folder",
          remedy: "name the files in it")
      }
      descriptor = try spool(opened, name)
    }
  }

  deinit { close(descriptor) }

  /// Goes back to the first line.
  func rewind() throws {
    guard lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw systemError(name, "a file that can be read twice")
    }
    (line, position, end, bufferOffset) = (0, 0, 0, 0)
  }

  /// Appends the next line to `bytes`, without its line feed and, on the first line, without a
  /// byte order mark. Answers false at the end of the file.
  ///
  /// Throws for bytes that are not UTF-8, with line, column and offset.
  func readLine(appendingTo bytes: inout [UInt8]) throws -> Bool {
    let start = bytes.count
    var isAtEnd = true
    while true {
      if position == end, try !fill() { break }
      isAtEnd = false
      if let feed = buffer[position..<end].firstIndex(of: UInt8(ascii: "\n")) {
        bytes += buffer[position..<feed]
        position = feed + 1
        break
      }
      bytes += buffer[position..<end]
      position = end
      guard bytes.count - start <= Self.maximumRowBytes else { throw tooLong(line: line + 1) }
    }
    guard !isAtEnd else { return false }
    line += 1
    try validate(bytes, from: start)
    if line == 1, bytes[start...].starts(with: [0xef, 0xbb, 0xbf]) {
      bytes.removeSubrange(start..<start + 3)
    }
    return true
  }

  func tooLong(line: Int) -> ShardsError {
    ShardsError(
      place: "\(name):\(line)", expected: "a row of at most \(Self.maximumRowBytes >> 20) MiB",
      found: "a longer one", remedy: "look for a quote left open or missing line ends")
  }

  /// Reads the next piece of the file; false at its end.
  private func fill() throws -> Bool {
    bufferOffset += end
    (position, end) = (0, 0)
    let count = try readBytes(descriptor, into: &buffer, name)
    end = count
    return count > 0
  }

  private func validate(_ bytes: [UInt8], from start: Int) throws {
    do {
      _ = try UTF8Span(validating: bytes.span.extracting(start...))
    } catch {
      let index = error.byteOffsets.lowerBound
      // `position` is after the line feed, or at the end of a file that lacks the last one.
      let hasFeed = position > 0 && buffer[position - 1] == UInt8(ascii: "\n")
      let offset = bufferOffset + position - (hasFeed ? 1 : 0) - (bytes.count - start) + index
      let byte = String(bytes[start + index], radix: 16)
      throw ShardsError(
        place: "\(name):\(line):\(index + 1)", expected: "UTF-8",
        found: "byte 0x\(byte) at offset \(offset) of the file",
        remedy: "convert the file to UTF-8, for example with iconv")
    }
  }
}

/// Copies a stream into an unlinked temporary file and returns its descriptor, at its start.
private func spool(_ source: Int32, _ name: String) throws -> Int32 {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  var template = Array("\(folder)/lockstep-XXXXXX".utf8CString)
  let descriptor = mkstemp(&template)
  guard descriptor >= 0 else { throw systemError(folder, "room to keep \(name)") }
  unlink(template)
  var buffer = [UInt8](repeating: 0, count: 1 << 18)
  do {
    while case let count = try readBytes(source, into: &buffer, name), count > 0 {
      var written = 0
      while written < count {
        let result = buffer.withUnsafeBytes {
          write(descriptor, $0.baseAddress?.advanced(by: written), count - written)
        }
        if result < 0, errno != EINTR { throw systemError(folder, "room to keep \(name)") }
        written += max(0, result)
      }
    }
    guard lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw systemError(folder, "a file that can be read twice")
    }
  } catch {
    close(descriptor)
    throw error
  }
  return descriptor
}

private func readBytes(
  _ descriptor: Int32, into buffer: inout [UInt8], _ name: String
) throws -> Int {
  while true {
    let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count >= 0 { return count }
    guard errno == EINTR else { throw systemError(name, "a readable file") }
  }
}

/// The failure that errno names; call it before anything else can change errno.
func systemError(_ place: String, _ expected: String) -> ShardsError {
  let code = errno
  let remedy =
    switch code {
    case ENOSPC, EDQUOT: "free space there, or set TMPDIR to a larger file system"
    case EACCES, EPERM: "check its permissions"
    case EIO: "check the disk"
    default: "check the path"
    }
  return ShardsError(
    place: place, expected: expected, found: String(cString: strerror(code)), remedy: remedy)
}
