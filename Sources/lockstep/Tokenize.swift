import ArgumentParser
import Glibc
import Tokenizers

struct Tokenize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns texts into token ids.",
    discussion: """
      Reads a JSON object a line from standard input, {"text", "pair", "max_length"}, the last two \
      optional, or {"words", "max_length"} with a text split into words, and writes {"ids", \
      "type_ids"} a line to standard output. Rows of words also give "words", the index of each \
      token's word, null for special tokens.
      """)

  @Option(help: "A model folder in Hugging Face layout; only its tokenizer files are read.")
  var model: String

  @Option(
    help: """
      The most tokens a row, special tokens included; longer rows are cut, in pairs the longer text \
      first. Without it rows keep their length, but for those with a max_length of their own.
      """)
  var maxLength: Int?

  @Flag(
    help: """
      Give for rows of texts also "offsets", what each token stands for, in bytes of UTF-8, and \
      "texts", 0 for the first text and 1 for the second; null for special tokens.
      """)
  var offsets = false

  func run() throws {
    let tokenizer = try Tokenizer(modelFolder: model)
    if let maxLength, maxLength < tokenizer.numSpecialTokens(isPair: false) {
      throw ValidationError(
        "--max-length \(maxLength) has no place for the "
          + "\(tokenizer.numSpecialTokens(isPair: false)) special tokens of a row")
    }
    var rows = TokenizeRows(
      tokenizer: tokenizer, maxLength: maxLength, givesOffsets: offsets, name: "<standard input>")
    var lines = StandardInputLines()
    var output: [UInt8] = []
    do {
      while let line = try lines.next(beforeWaiting: { try writeToStandardOutput(&output) }) {
        try rows.tokenize(line: line, into: &output)
      }
    } catch {
      // Rows before a bad one are results too.
      try writeToStandardOutput(&output)
      throw error
    }
    try writeToStandardOutput(&output)
  }
}

/// Standard input cut at line feeds, in blocks, so that memory is bounded by the longest line.
private struct StandardInputLines {
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
private func writeToStandardOutput(_ bytes: inout [UInt8]) throws {
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
