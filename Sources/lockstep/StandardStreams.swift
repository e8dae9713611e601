import Glibc
import Tokenizers

/// Standard input cut at line feeds, in blocks, so that memory is bounded by the longest line.
struct StandardInputLines {
  private var block = [UInt8](repeating: 0, count: 1 << 16)
  /// What of `block` has not been given out.
  private var unread = 0..<0
  private var isAtEnd = false

  /// The next line without its line feed, nil at the end of the input. `beforeWaiting` is called
  /// before each read, which may wait for another process.
  mutating func next(beforeWaiting: () throws -> Void) throws -> [UInt8]? {
    var line: [UInt8] = []
    while true {
      if let end = block[unread].firstIndex(of: UInt8(ascii: "\n")) {
        line += block[unread.lowerBound..<end]
        unread = end + 1..<unread.upperBound
        return line
      }
      line += block[unread]
      unread = 0..<0
      if isAtEnd { return line.isEmpty ? nil : line }
      try beforeWaiting()
      let count = read(STDIN_FILENO, &block, block.count)
      if count < 0, errno != EINTR {
        throw TokenizerError(
          place: "<standard input>", expected: "to read", found: String(cString: strerror(errno)),
          remedy: "give rows by a pipe or a file")
      }
      isAtEnd = count == 0
      unread = 0..<max(0, count)
    }
  }
}

/// Writes all of `bytes` and empties it.
func writeToStandardOutput(_ bytes: inout [UInt8]) throws {
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes {
      write(STDOUT_FILENO, $0.baseAddress.map { $0 + written }, $0.count - written)
    }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else {
      throw TokenizerError(
        place: "<standard output>", expected: "to write", found: String(cString: strerror(errno)),
        remedy: "make room or write elsewhere")
    }
    written += count
  }
  bytes.removeAll(keepingCapacity: true)
}
