import Foundation
import Testing

@testable import Tokenizers

/// Tests/Fixtures/subword: small tokenizers of the kinds beside BERT's, and what Hugging Face makes of
/// texts with them; Tests/Interop/subword_fixture.py wrote it.
enum SubwordFixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/subword").path

  static func path(_ name: String) -> String { folder + "/" + name }

  struct Case: Decodable {
    var folder: String
    var text: String?
    var pair: String?
    var words: [String]?
    var maxLength: Int?
    var ids: [Int32]
    var typeIDs: [UInt8]
    var offsets: [[Int]?]?
    var texts: [Int?]?
    var wordIDs: [Int?]?
    var decoded: String?

    enum CodingKeys: String, CodingKey {
      case folder, text, pair, words, ids, offsets, texts, decoded
      case maxLength = "max_length"
      case typeIDs = "type_ids"
      case wordIDs = "word_ids"
    }
  }

  static func cases(of folder: String) throws -> [Case] {
    let lines = try String(contentsOfFile: path("cases.jsonl"), encoding: .utf8).split(
      separator: "\n")
    return try lines.map { try JSONDecoder().decode(Case.self, from: Data($0.utf8)) }
      .filter { $0.folder == folder }
  }

  /// A tokenizer that has no other files of `folder` than `names`.
  static func tokenizer(of folder: String, _ names: [String]) throws -> Tokenizer {
    let copy = try TemporaryFolder()
    for name in names { try copy.copy(path("\(folder)/\(name)"), as: name) }
    return try Tokenizer(modelFolder: copy.path)
  }
}

@Suite("Texts with small vocabularies of subwords")
struct SubwordTests {
  static let files: [(folder: String, names: [String])] = [
    ("bpe", ["tokenizer.json"]), ("bpe", ["vocab.json", "merges.txt", "tokenizer_config.json"]),
    ("unigram", ["tokenizer.json"]), ("unigram", ["spm.model", "config.json"]),
    ("unigram", ["spm.model"]), ("mpnet", ["tokenizer.json"]),
    ("mpnet", ["vocab.txt", "tokenizer_config.json"]),
  ]

  @Test(
    "become Hugging Face's ids, from whichever files, with and without sources", arguments: files)
  func matchesHuggingFace(folder: String, names: [String]) throws {
    let tokenizer = try SubwordFixture.tokenizer(of: folder, names)
    let cases = try SubwordFixture.cases(of: folder).filter { $0.words == nil }
    #expect(cases.count == 137)
    for (index, row) in cases.enumerated() {
      let name = "case \(index + 1) of \(folder): \(row.text?.prefix(40) ?? "")"
      let text = try #require(row.text)
      let encoding = try tokenizer.encode(text, pair: row.pair, maxLength: row.maxLength)
      #expect(encoding == Encoding(ids: row.ids, typeIDs: row.typeIDs), "\(name)")
      let aligned = try tokenizer.encodeAligned(text, pair: row.pair, maxLength: row.maxLength)
      #expect(aligned.ids == row.ids && aligned.typeIDs == row.typeIDs, "\(name)")
      let ranges = aligned.sources.map { $0.map { [$0.bytes.lowerBound, $0.bytes.upperBound] } }
      #expect(ranges == row.offsets, "\(name)")
      #expect(aligned.sources.map { $0.map { $0.text == .first ? 0 : 1 } } == row.texts, "\(name)")
      let decoded = try #require(row.decoded)
      #expect(tokenizer.decode(row.ids).utf8.elementsEqual(decoded.utf8), "\(name)")
    }
  }

  @Test("given as words become the ids of words with a space before", arguments: files)
  func words(folder: String, names: [String]) throws {
    let tokenizer = try SubwordFixture.tokenizer(of: folder, names)
    let cases = try SubwordFixture.cases(of: folder).filter { $0.words != nil }
    #expect(cases.count == 10)
    for row in cases {
      let encoding = try tokenizer.encode(
        words: #require(row.words), maxLength: row.maxLength)
      #expect(encoding.ids == row.ids && encoding.typeIDs == row.typeIDs)
      #expect(encoding.words == row.wordIDs)
    }
  }

  @Test(
    "have one vocabulary hash from all files",
    arguments: [("bpe", 0...1), ("unigram", 2...4), ("mpnet", 5...6)])
  func hashes(folder: String, files: ClosedRange<Int>) throws {
    let hashes = try Self.files[files].map {
      try SubwordFixture.tokenizer(of: $0.folder, $0.names).vocabularySHA256
    }
    #expect(Set(hashes).count == 1)
  }

  @Test("have a hash that follows every setting that decides ids")
  func hashOfSettings() throws {
    var hashes: Set<String> = []
    var count = 0
    func add(_ definition: TokenizerDefinition, _ change: (inout TokenizerDefinition) -> Void)
      throws
    {
      var variant = definition
      change(&variant)
      hashes.insert(try variant.sha256(file: ""))
      count += 1
    }
    let bpe = try TokenizerFiles(modelFolder: SubwordFixture.path("bpe")).readDefinition()
    guard case .bytePairs(let pairs) = bpe.model else { throw TestFailure() }
    func addPairs(_ change: (inout BytePairDefinition) -> Void) throws {
      var pairs = pairs
      change(&pairs)
      try add(bpe) { $0.model = .bytePairs(pairs) }
    }
    try add(bpe) { _ in }
    try addPairs { $0.preTokenizer.addsPrefixSpace.toggle() }
    try addPairs { $0.preTokenizer.splits.toggle() }
    try addPairs { $0.merges.swapAt(0, 1) }
    try addPairs { $0.unknownID = 3 }
    try addPairs { $0.fusesUnknown.toggle() }
    try addPairs { $0.looksUpWords.toggle() }
    try add(bpe) { $0.addedTokens[0].stripsLeft.toggle() }
    try add(bpe) { $0.template = .bert(classifier: 0, separator: 2) }
    for steps: [Normalizer.Step] in [
      [.lowercase], [.compose], [.compose, .lowercase], [.strip(left: true, right: false)],
      [.strip(left: false, right: true)], [.replace(.spaces, by: " ")],
      [.replace(.whitespace, by: " ")], [.replace(.text(" "), by: " ")],
      [.replace(.text(" "), by: "")],
    ] {
      try add(bpe) { $0.normalizer = Normalizer(steps: steps) }
    }
    let unigram = try TokenizerFiles(modelFolder: SubwordFixture.path("unigram")).readDefinition()
    guard case .unigram(let pieces) = unigram.model else { throw TestFailure() }
    func addPieces(_ change: (inout UnigramDefinition) -> Void) throws {
      var pieces = pieces
      change(&pieces)
      try add(unigram) { $0.model = .unigram(pieces) }
    }
    try add(unigram) { _ in }
    try addPieces { $0.scores[9] -= 1 }
    try addPieces { $0.unknownID = 2 }
    try addPieces { $0.fallsBackToBytes.toggle() }
    try addPieces { $0.preTokenizer.prefix = .first }
    try addPieces { $0.preTokenizer.splits.toggle() }
    try addPieces { $0.preTokenizer.replacement = "_" }
    try addPieces { $0.preTokenizer.cuts = [.whitespace] }
    try addPieces { $0.preTokenizer.cuts = [.punctuation] }
    try add(unigram) { $0.normalizer = Normalizer(steps: []) }
    #expect(count == 28 && hashes.count == count)
    // What tokens stand for and how they are decoded decides no ids.
    var same = bpe
    same.trimming = nil
    same.decoder = nil
    #expect(hashes.contains(try same.sha256(file: "")))
  }

  private struct TestFailure: Error {}

  @Test("may be a million letters without a space", .timeLimit(.minutes(2)))
  func longWords() throws {
    for folder in ["bpe", "unigram", "mpnet"] {
      let tokenizer = try Tokenizer(modelFolder: SubwordFixture.path(folder))
      for unit in ["x", "happy", "\u{4E2D}", "'", "a\u{301}"] {
        let text = String(repeating: unit, count: (1 << 20) / unit.utf8.count)
        let ids = try tokenizer.encode(text).ids
        #expect(ids.count > 2)
      }
    }
  }

  @Test("give the same ids when words were remembered, forgotten, and seen by many threads")
  func remembered() async throws {
    let tokenizer = try Tokenizer(modelFolder: SubwordFixture.path("bpe"))
    // More words than are remembered.
    let texts = (0..<400).map { text in
      (0..<100).map { "w\(text * 100 + $0)" }.joined(separator: " ")
    }
    let alone = try texts.map { try tokenizer.encodeAligned($0).ids }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask { try zip(texts, alone).allSatisfy { try tokenizer.encode($0).ids == $1 } }
      }
      for try await isSame in group { #expect(isSame) }
    }
  }

  @Test("of CANINE become their code points, the folder being known by either file")
  func codePoints() throws {
    for (name, json) in [
      ("config.json", #"{"model_type": "canine"}"#),
      ("tokenizer_config.json", #"{"tokenizer_class": "CanineTokenizer"}"#),
    ] {
      let folder = try TemporaryFolder()
      try folder.write(json, as: name)
      let tokenizer = try Tokenizer(modelFolder: folder.path)
      #expect(
        try tokenizer.encode("a \u{1F600}", pair: "\u{E9}")
          == Encoding(
            ids: [0xE000, 0x61, 0x20, 0x1F600, 0xE001, 0xE9, 0xE001],
            typeIDs: [0, 0, 0, 0, 0, 1, 1]))
      #expect(try tokenizer.encode("abc", maxLength: 4).ids == [0xE000, 0x61, 0x62, 0xE001])
      // An odd place goes to the first text, whichever is longer.
      for (first, second) in [("abcd", "efgh"), ("abcd", "efghi"), ("abcde", "fghi")] {
        let cut = try tokenizer.encode(first, pair: second, maxLength: 8)
        #expect(cut.typeIDs == [0, 0, 0, 0, 0, 1, 1, 1], "\(first) \(second)")
        #expect(try tokenizer.encodeAligned(first, pair: second, maxLength: 8).ids == cut.ids)
      }
      let aligned = try tokenizer.encodeAligned("a\u{1F600}b")
      #expect(aligned.sources.map { $0?.bytes } == [nil, 0..<1, 1..<5, 5..<6, nil])
      #expect(try tokenizer.encode(words: ["ab", "", "c"]).words == [nil, 0, 0, 2, nil])
      #expect(tokenizer.vocabularyCount == 0x110000)
      #expect(tokenizer.token(of: 0x61) == "a" && tokenizer.id(of: "\u{1F600}") == 0x1F600)
      #expect(tokenizer.token(of: -1) == nil && tokenizer.id(of: "ab") == nil)
      #expect(tokenizer.decode([0xE000, 0x61, 0x20, 0x1F600, 0xE001]) == "a \u{1F600}")
      #expect(tokenizer.maskID == 0xE003 && tokenizer.specialTokenIDs.contains(0xE003))
      #expect(tokenizer.vocabularySHA256.count == 64)
    }
  }
}
