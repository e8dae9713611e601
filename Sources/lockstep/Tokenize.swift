import ArgumentParser
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

  @Option(
    help: "A model folder in Hugging Face layout; only its tokenizer files are read.",
    completion: .directory)
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
