import Testing

@testable import Tokenizers

/// What each token stands for, cut out of its text; nil for special tokens.
private func sources(_ encoding: AlignedEncoding, _ texts: String...) -> [String?] {
  encoding.sources.map { source in
    source.map {
      let bytes = Array(texts[$0.text == .first ? 0 : 1].utf8)
      return String(decoding: bytes[$0.bytes], as: UTF8.self)
    }
  }
}

@Suite("Tokens tell where they come from")
struct AlignmentTests {
  private let uncased: Tokenizer
  private let added: Tokenizer

  init() throws {
    uncased = try Tokenizer(modelFolder: Fixture.path("uncased"))
    added = try Tokenizer(modelFolder: Fixture.path("added"))
  }

  @Test("in bytes of the text as it was given, whatever normalising took away or added")
  func texts() throws {
    let text = "  Hello\u{0} \u{4E2D}CAF\u{C9}, w\u{1E69}rld"
    let encoding = try uncased.encodeAligned(text)
    #expect(encoding.ids == (try uncased.encode(text).ids))
    let pieces = sources(encoding, text)
    #expect(pieces.first == .some(nil) && pieces.last == .some(nil))
    #expect(pieces.contains("Hello") && pieces.contains("\u{4E2D}") && pieces.contains(","))
    #expect(pieces.compactMap { $0 }.joined() == "Hello\u{4E2D}CAF\u{C9},w\u{1E69}rld")
  }

  @Test(
    "and for every row of the fixture the ids are those without sources", arguments: [true, false])
  func sameIDs(isUncased: Bool) throws {
    let tokenizer = isUncased ? uncased : added
    for row in try Fixture.cases(of: isUncased ? "uncased" : "added") {
      let encoding = try tokenizer.encodeAligned(
        row.text, pair: row.pair, maxLength: row.maxLength)
      #expect(encoding.ids == row.ids && encoding.typeIDs == row.typeIDs)
      for source in encoding.sources {
        guard let source else { continue }
        let text = source.text == .first ? row.text : try #require(row.pair)
        let bytes = Array(text.utf8)
        #expect(source.word == nil && bytes.indices.contains(source.bytes.lowerBound))
        #expect(
          String(validating: bytes[source.bytes], as: UTF8.self) != nil, "whole scalars: \(source)")
      }
    }
  }

  @Test("in pairs with the text that they are of")
  func pairs() throws {
    let encoding = try uncased.encodeAligned("hello", pair: "world", maxLength: 5)
    #expect(sources(encoding, "hello", "world") == [nil, "hello", nil, "world", nil])
    #expect(encoding.sources.map { $0?.text } == [nil, .first, nil, .second, nil])
  }

  @Test("in texts of words with the index of the word, words with nothing left passed over")
  func words() throws {
    let encoding = try uncased.encode(words: ["hello", "", "\u{0}", "world!", "[MASK]"])
    #expect(encoding.words == [nil, 0, 3, 3, 4, nil])
    #expect(encoding.ids == (try uncased.encode("hello world! [MASK]").ids))
    #expect(encoding.sources[2]?.bytes == 0..<5 && encoding.sources[3]?.bytes == 5..<6)
    #expect(try uncased.encode(words: []).words == [nil, nil])
    let cut = try uncased.encode(words: ["hello", "world!", "hello"], maxLength: 4)
    #expect(cut.words == [nil, 0, 1, nil])
    #expect(throws: TokenizerError.self) { try uncased.encode(words: ["a"], maxLength: 1) }
  }
}
