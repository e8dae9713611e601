import Glibc
import Manifests

/// The lines of a file, read in blocks, so that memory is bounded by the longest line.
struct LineReader: ~Copyable {
  /// Far above any record: one of 10,000 labels takes under 2 MB.
  private static let byteLimit = 64 << 20

  /// Lines given out so far; the number of the last one, counted from 1.
  private(set) var count = 0
  private let file: OpenFile
  private var block = [UInt8](repeating: 0, count: 1 << 18)
  /// What of `block` has not been given out.
  private var unread = 0..<0
  private var offset: Int64 = 0

  /// - Throws: `ManifestError` for what cannot be opened.
  init(path: String) throws { file = try OpenFile(reading: path) }

  /// The next line without its line feed; nil at the end of the file.
  ///
  /// - Returns: With `isWhole` false for a last line without a line feed, which another process may be
  ///   writing.
  /// - Throws: `ManifestError` for what cannot be read, ``ReportError`` for a line without an end.
  mutating func next() throws -> (bytes: [UInt8], isWhole: Bool)? {
    var line: [UInt8] = []
    while true {
      if let end = endOfLine() {
        line += block[unread.lowerBound..<end]
        unread = end + 1..<unread.upperBound
        count += 1
        return (line, true)
      }
      line += block[unread]
      guard line.count <= Self.byteLimit else {
        throw ReportError(
          place: "\(file.path):\(count + 1)",
          expected: "lines of at most \(Self.byteLimit >> 20) MiB", found: "a longer one",
          remedy: "check that this is the metrics.jsonl of a run")
      }
      let read = try block.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
      unread = 0..<read
      offset += Int64(read)
      if read == 0 {
        guard !line.isEmpty else { return nil }
        count += 1
        return (line, false)
      }
    }
  }

  private func endOfLine() -> Int? {
    block.withUnsafeBufferPointer { block in
      guard let start = block.baseAddress,
        let end = memchr(start + unread.lowerBound, Int32(UInt8(ascii: "\n")), unread.count)
      else { return nil }
      return UnsafeRawPointer(start).distance(to: UnsafeRawPointer(end))
    }
  }
}
