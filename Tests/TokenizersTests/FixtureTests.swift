import Foundation
import Testing

@testable import Tokenizers

/// Tests/Fixtures/wordpiece: a small vocabulary and what Hugging Face `tokenizers` makes of texts
/// with it; Tests/Interop/wordpiece_fixture.py wrote it.
enum Fixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/wordpiece").path

  static func path(_ name: String) -> String { folder + "/" + name }

  struct Case: Decodable {
    var folder: String
    var text: String
    var pair: String?
    var maxLength: Int?
    var ids: [Int32]
    var typeIDs: [UInt8]
    var decoded: String
    var decodedWithSpecial: String

    enum CodingKeys: String, CodingKey {
      case folder, text, pair, ids, decoded
      case maxLength = "max_length"
      case typeIDs = "type_ids"
      case decodedWithSpecial = "decoded_with_special"
    }
  }

  static func cases(of folder: String) throws -> [Case] {
    let lines = try String(contentsOfFile: path("cases.jsonl"), encoding: .utf8).split(
      separator: "\n")
    return try lines.map { try JSONDecoder().decode(Case.self, from: Data($0.utf8)) }
      .filter { $0.folder == folder }
  }
}

@Suite("Texts with a small vocabulary")
struct FixtureTests {
  @Test(
    "become Hugging Face's ids and type ids, and their ids the same text again",
    arguments: [("uncased", 187), ("cased", 187), ("added", 187)])
  func matchesHuggingFace(folder: String, count: Int) throws {
    let tokenizer = try Tokenizer(modelFolder: Fixture.path(folder))
    let cases = try Fixture.cases(of: folder)
    #expect(cases.count == count)
    for (index, expected) in cases.enumerated() {
      let encoding = try tokenizer.encode(
        expected.text, pair: expected.pair, maxLength: expected.maxLength)
      let name = "case \(index + 1) of \(folder): \(expected.text.prefix(40))"
      #expect(encoding == Encoding(ids: expected.ids, typeIDs: expected.typeIDs), "\(name)")
      #expect(tokenizer.decode(encoding.ids).utf8.elementsEqual(expected.decoded.utf8), "\(name)")
      #expect(
        tokenizer.decode(encoding.ids, skipSpecialTokens: false).utf8
          .elementsEqual(expected.decodedWithSpecial.utf8), "\(name)")
    }
  }

  @Test(
    "become the same from vocab.txt with its settings as from tokenizer.json",
    arguments: ["uncased", "cased"])
  func vocabularyText(folder: String) throws {
    let copy = try TemporaryFolder()
    for name in ["vocab.txt", "tokenizer_config.json"] {
      try copy.copy(Fixture.path(folder) + "/" + name, as: name)
    }
    let tokenizer = try Tokenizer(modelFolder: copy.path)
    for expected in try Fixture.cases(of: folder) {
      let encoding = try tokenizer.encode(
        expected.text, pair: expected.pair, maxLength: expected.maxLength)
      #expect(encoding == Encoding(ids: expected.ids, typeIDs: expected.typeIDs))
    }
    let original = try Tokenizer(modelFolder: Fixture.path(folder))
    #expect(tokenizer.vocabularySHA256 == original.vocabularySHA256)
  }

  @Test("have a vocabulary hash that tells tokenizers apart")
  func hashes() throws {
    let hashes = try ["uncased", "cased", "added"].map {
      try Tokenizer(modelFolder: Fixture.path($0)).vocabularySHA256
    }
    #expect(Set(hashes).count == 3)
    #expect(hashes.allSatisfy { $0.count == 64 })
    // Shards and checkpoints hold it: it must not change.
    #expect(hashes[0] == "d24458726f8dc686c36055ca9037ea162410457591ad76e1abc66245d60dd3d3")
  }

  @Test("The hash follows every setting that decides ids")
  func hashOfSettings() throws {
    let files = TokenizerFiles(modelFolder: Fixture.path("added"))
    let definition = try files.readDefinition()
    var variants = [definition]
    func add(_ change: (inout TokenizerDefinition) -> Void) {
      var variant = definition
      change(&variant)
      variants.append(variant)
    }
    func addModel(_ change: (inout WordPieceDefinition) -> Void) {
      guard case .wordPiece(var model) = definition.model else { return }
      change(&model)
      add { $0.model = .wordPiece(model) }
    }
    func addNormalizer(_ change: (inout NormalizerSettings) -> Void) {
      guard case .bert(var settings)? = definition.normalizer.steps.first else { return }
      change(&settings)
      add { $0.normalizer = Normalizer(steps: [.bert(settings)]) }
    }
    addModel { $0.unknownToken = "a" }
    addModel { $0.continuationPrefix = "@@" }
    addModel { $0.maxScalarsPerWord = 99 }
    addNormalizer { $0.cleansText = false }
    addNormalizer { $0.splitsChinese = false }
    addNormalizer { $0.stripsAccents = false }
    addNormalizer { $0.lowercases = false }
    add { $0.addedTokens.removeLast() }
    add { $0.addedTokens[0].stripsLeft.toggle() }
    add { $0.addedTokens[0].isSingleWord.toggle() }
    add { $0.template = .roberta(classifier: 2, separator: 3) }
    #expect(variants.count == 12)
    #expect(Set(try variants.map { try $0.sha256(file: "") }).count == variants.count)
  }

  @Test("Truncation keeps what Hugging Face keeps, for all small lengths")
  func truncation() {
    for (first, second, budget, expected) in [
      (0, 0, 0, (0, 0)), (3, 2, 0, (0, 0)), (0, 9, 7, (0, 7)), (9, 0, 7, (7, 0)), (2, 8, 7, (2, 5)),
      (8, 2, 7, (5, 2)), (4, 8, 7, (3, 4)), (8, 4, 7, (4, 3)), (8, 8, 7, (3, 4)), (4, 4, 8, (4, 4)),
      (1, 1, 1, (0, 1)), (2, 1, 1, (1, 0)),
    ] {
      #expect(longestFirst(first: first, second: second, budget: budget) == expected)
    }
  }

  @Test("A maximum length without room for the special tokens is refused")
  func tooSmallLength() throws {
    let tokenizer = try Tokenizer(modelFolder: Fixture.path("uncased"))
    #expect(try tokenizer.encode("hello world", maxLength: 2).ids == [2, 3])
    #expect(try tokenizer.encode("hello", pair: "world", maxLength: 3).ids == [2, 3, 3])
    let single = #expect(throws: TokenizerError.self) {
      try tokenizer.encode("hello", maxLength: 1)
    }
    #expect(single?.expected == "at least 2 for the special tokens")
    #expect(throws: TokenizerError.self) {
      try tokenizer.encode("hello", pair: "", maxLength: 2)
    }
  }

  @Test("Ids and tokens answer for each other, and ids that are none are left out of texts")
  func lookups() throws {
    let tokenizer = try Tokenizer(modelFolder: Fixture.path("added"))
    #expect(tokenizer.token(of: 4) == "[MASK]")
    #expect(tokenizer.id(of: "[MASK]") == 4)
    #expect(tokenizer.id(of: "<r>") == Int32(tokenizer.vocabularyCount - 1))
    #expect(tokenizer.token(of: -1) == nil)
    #expect(tokenizer.token(of: Int32(tokenizer.vocabularyCount)) == nil)
    let hello = try #require(tokenizer.id(of: "hello"))
    #expect(tokenizer.decode([-5, hello, .max, hello]) == "hello hello")
    #expect(tokenizer.decode([]) == "")
    // Canonically equivalent, but other bytes.
    #expect(tokenizer.id(of: "cafe\u{301}") == nil)
    #expect(tokenizer.id(of: "caf\u{E9}") != nil)
  }

  @Test("A text of 10,000 words and one word of 100,000 letters are no trouble")
  func longTexts() throws {
    let tokenizer = try Tokenizer(modelFolder: Fixture.path("uncased"))
    let words = String(repeating: "hello ", count: 10_000)
    #expect(try tokenizer.encode(words).ids.count == 10_002)
    #expect(try tokenizer.encode(words, maxLength: 128).ids.count == 128)
    #expect(try tokenizer.encode(String(repeating: "x", count: 100_000)).ids == [2, 1, 3])
    let marks = "a" + String(repeating: "\u{302E}", count: 100_000)
    #expect(try tokenizer.encode(marks).ids == [2, 1, 3])
  }

  @Test("The tokenizer files of a folder are listed in a fixed order, others are not")
  func files() throws {
    let folder = try TemporaryFolder()
    #expect(Tokenizer.files(inModelFolder: folder.path) == [])
    for name in ["vocab.txt", "config.json", "tokenizer.json"] { try folder.write("", as: name) }
    #expect(Tokenizer.files(inModelFolder: folder.path) == ["tokenizer.json", "vocab.txt"])
  }
}
