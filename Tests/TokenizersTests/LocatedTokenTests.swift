import Testing

@testable import Tokenizers

@Suite("Tokens know where they come from")
struct LocatedTokenTests {
  private let tokenizer: Tokenizer
  init() throws {
    let words = [
      "[UNK]", "[CLS]", "[SEP]", "it", "cost", "€", "##5", ",", "cafe", "un", "##seen", "中",
      "文", "'", "s", "20", "##°", "##c", ".",
    ]
    let folder = try TemporaryFolder()
    try folder.write(words.joined(separator: "\n") + "\n", as: "vocab.txt")
    try folder.write(#"{"do_lower_case": true}"#, as: "tokenizer_config.json")
    tokenizer = try Tokenizer(modelFolder: folder.path)
  }

  private func located(_ text: String) -> [String] {
    tokenizer.locatedTokens(of: text).map { located in
      let bytes = Array(text.utf8)[located.range]
      return "\(tokenizer.token(of: located.id) ?? "?")=\(String(decoding: bytes, as: UTF8.self))"
    }
  }

  @Test("with the ids of the whole text")
  func wholeText() {
    for text in [
      "", " ", "It cost €5, café's 20°C.", "UNSEEN\u{a0}un\u{200b}seen\u{85}it", "中文it中", "''.",
      "\u{2028}it\u{b}cost", "cafe\u{301} it\u{301}", "[ it ]", "\u{37e}it\u{1fef}",
    ] {
      #expect(tokenizer.locatedTokens(of: text).map(\.id) == tokenizer.tokens(of: text), "\(text)")
    }
  }

  @Test("to the letter, whatever normalising changed")
  func ranges() {
    #expect(located("It, UNSEEN's") == ["it=It", ",=,", "un=UN", "##seen=SEEN", "'='", "s=s"])
    #expect(located("€5 20°C") == ["€=€", "##5=5", "20=20", "##°=°", "##c=C"])
    #expect(located("Café. 中文") == ["cafe=Café", ".=.", "中=中", "文=文"])
    #expect(located("un\u{200b}seen") == ["un=un", "##seen=seen"])
    #expect(located("what") == ["[UNK]=what"])
    #expect(located("[SEP]") == ["[SEP]=[SEP]"])
  }

  @Test("Words are split by themselves, cut at the end, and may have no token")
  func words() throws {
    let words = ["unseen", "\u{200b}", "it", "un", "seen", "café's"]
    let whole = try tokenizer.encode(words: words)
    #expect(
      whole.ids.compactMap { tokenizer.token(of: $0) } == [
        "[CLS]", "un", "##seen", "it", "un", "[UNK]", "cafe", "'", "s", "[SEP]",
      ])
    #expect(whole.words == [nil, 0, 0, 2, 3, 4, 5, 5, 5, nil])
    #expect(whole.typeIDs == [UInt8](repeating: 0, count: 10))
    let cut = try tokenizer.encode(words: words, maxLength: 3)
    #expect(cut.ids.count == 3)
    #expect(cut.words == [nil, 0, nil])
    #expect(try tokenizer.encode(words: [], maxLength: 2).words == [nil, nil])
    #expect(throws: TokenizerError.self) { try tokenizer.encode(words: ["it"], maxLength: 1) }
  }
}
