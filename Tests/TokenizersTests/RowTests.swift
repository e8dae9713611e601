import Testing

@testable import Tokenizers

@Suite("Rows of lockstep tokenize")
struct RowTests {
  private func rows(maxLength: Int? = nil) throws -> TokenizeRows {
    TokenizeRows(
      tokenizer: try Tokenizer(modelFolder: Fixture.path("uncased")), maxLength: maxLength,
      name: "<standard input>")
  }

  private func output(_ line: String, maxLength: Int? = nil) throws -> String {
    var rows = try rows(maxLength: maxLength)
    var output: [UInt8] = []
    try rows.tokenize(line: Array(line.utf8), into: &output)
    return String(decoding: output, as: UTF8.self)
  }

  @Test("give ids and type ids as one JSON object a line")
  func singleAndPair() throws {
    #expect(
      try output(#"{"text": "a"}"#) == "{\"ids\": [2, 5, 3], \"type_ids\": [0, 0, 0]}\n")
    #expect(
      try output(#"{"text": "a", "pair": "b", "id": 7}"#)
        == "{\"ids\": [2, 5, 3, 6, 3], \"type_ids\": [0, 0, 0, 1, 1]}\n")
    #expect(
      try output(#"{"text": "a", "pair": null, "max_length": null}"#) == output(#"{"text": "a"}"#))
  }

  @Test("of words give each token's word, of texts what each token stands for if asked")
  func sources() throws {
    #expect(
      try output(#"{"words": ["a", "", "b"], "max_length": 4}"#)
        == "{\"ids\": [2, 5, 6, 3], \"type_ids\": [0, 0, 0, 0], "
        + "\"words\": [null, 0, 2, null]}\n")
    var rows = TokenizeRows(
      tokenizer: try Tokenizer(modelFolder: Fixture.path("uncased")), maxLength: nil,
      givesOffsets: true, name: "<standard input>")
    var output: [UInt8] = []
    try rows.tokenize(line: Array(#"{"text": "\u4e2d a", "pair": "B"}"#.utf8), into: &output)
    let text = String(decoding: output, as: UTF8.self)
    #expect(
      text.hasSuffix(
        "\"offsets\": [null, [0, 3], [4, 5], null, [0, 1], null], "
          + "\"texts\": [null, 0, 0, null, 1, null]}\n"))
    let bad = #expect(throws: TokenizerError.self) { try self.output(#"{"words": "a"}"#) }
    #expect(bad?.place == "<standard input>:1, key words")
  }

  @Test("are cut to their own max_length, else to the default")
  func lengths() throws {
    let row = #"{"text": "a b c d"}"#
    #expect(try output(row, maxLength: 3) == "{\"ids\": [2, 5, 3], \"type_ids\": [0, 0, 0]}\n")
    #expect(
      try output(#"{"text": "a b c d", "max_length": 2}"#, maxLength: 3)
        == "{\"ids\": [2, 3], \"type_ids\": [0, 0]}\n")
  }

  @Test(
    "that are bad are refused with their line",
    arguments: [
      ("", "<standard input>:2:1"), ("{}", "<standard input>:2, key text"),
      ("[1]", "<standard input>:2"), ("{\"text\": 1}", "<standard input>:2, key text"),
      ("{\"text\": \"a\", \"pair\": 1}", "<standard input>:2, key pair"),
      ("{\"text\": \"a\", \"max_length\": -1}", "<standard input>:2, key max_length"),
      ("{\"text\": \"a\", \"max_length\": 1}", "<standard input>:2, maximum length"),
      ("{\"text\": \"a\", \"text\": \"b\"}", "<standard input>:2, key text"),
      ("{\"text\": \"a\"", "<standard input>:2:13"),
    ])
  func badRows(line: String, place: String) throws {
    var rows = try rows()
    var output: [UInt8] = []
    try rows.tokenize(line: Array(#"{"text": "a"}"#.utf8), into: &output)
    let error = #expect(throws: TokenizerError.self) {
      try rows.tokenize(line: Array(line.utf8), into: &output)
    }
    #expect(error?.place == place)
  }

  @Test("may have every escape that JSON knows")
  func escapes() throws {
    let json = try JSON(
      parsing: Array(#"{"a": "\"\\\/\b\f\n\r\té\u00e9\uD83D\uDE00x"}"#.utf8), name: "row")
    let text = try JSONField(file: "row", value: json).member("a").string()
    #expect(text.hasSameBytes(as: "\"\\/\u{8}\u{C}\n\r\t\u{E9}\u{E9}\u{1F600}x"))
  }

  @Test("may have numbers of every form")
  func numbers() throws {
    let json = try JSON(
      parsing: Array("[0, -1, 12, 1.5, -2e3, 1E-2, 9223372036854775807, 1e0]".utf8), name: "row")
    let kinds = try JSONField(file: "row", value: json).elements().map(\.value.kind)
    #expect(
      kinds == ["0", "-1", "12", "1.5", "-2000.0", "0.01", "9223372036854775807", "1.0"])
  }
}
