import Foundation
import Glibc
import Testing

@testable import Tokenizers

/// A tokenizer.json that is right, to be spoiled in one place.
private func validJSON() throws -> String {
  try String(contentsOfFile: Fixture.path("uncased/tokenizer.json"), encoding: .utf8)
}

/// The fixture's tokenizer.json as a dictionary, to be changed by key.
private func changedJSON(_ change: (inout [String: Any]) throws -> Void) throws -> Data {
  let value = try JSONSerialization.jsonObject(with: Data(validJSON().utf8))
  var root = try #require(value as? [String: Any])
  try change(&root)
  return try JSONSerialization.data(withJSONObject: root)
}

private func error(ofJSON data: Data) throws -> TokenizerError {
  let folder = try TemporaryFolder()
  try folder.write(data, as: "tokenizer.json")
  return try #require(
    #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) })
}

private func error(ofVocabulary vocabulary: Data, config: String = "{}") throws -> TokenizerError {
  let folder = try TemporaryFolder()
  try folder.write(vocabulary, as: "vocab.txt")
  try folder.write(config, as: "tokenizer_config.json")
  return try #require(
    #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) })
}

@Suite("Files that make no tokenizer are refused by name")
struct HostileFileTests {
  @Test("a folder that does not exist, and one without tokenizer files")
  func noFiles() throws {
    let missing = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: "/none/such") }
    #expect(missing?.found == "no such folder")
    let folder = try TemporaryFolder()
    let empty = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) }
    #expect(empty?.expected.hasPrefix("tokenizer.json, vocab.txt, ") == true)
    #expect(empty?.place == folder.path)
  }

  @Test(
    "a part of tokenizer.json of a type that is not supported, with file and key",
    arguments: [
      ("model", "WordLevel", "one of WordPiece, BPE, Unigram"),
      ("normalizer", "NFC", "\"BertNormalizer\""),
      ("pre_tokenizer", "ByteLevel", "\"BertPreTokenizer\""),
      (
        "post_processor", "ByteLevel",
        "one of TemplateProcessing, BertProcessing, RobertaProcessing"
      ),
      ("decoder", "BPEDecoder", "\"WordPiece\""),
    ])
  func unsupported(key: String, type: String, expected: String) throws {
    let error = try error(ofJSON: changedJSON { $0[key] = ["type": type] })
    #expect(error.place.hasSuffix("/tokenizer.json, key \(key).type"))
    #expect(error.expected == expected)
    #expect(error.found == "the string \"\(type)\"")
  }

  @Test(
    "a part that is missing", arguments: ["model", "normalizer", "pre_tokenizer", "post_processor"])
  func missing(key: String) throws {
    let error = try error(ofJSON: changedJSON { $0[key] = nil })
    #expect(error.place.hasSuffix("key \(key)") || error.place.hasSuffix("key \(key).type"))
  }

  @Test("a setting of the wrong kind")
  func wrongKind() throws {
    let error = try error(
      ofJSON: changedJSON { root in
        var normalizer = root["normalizer"] as? [String: Any] ?? [:]
        normalizer["lowercase"] = "yes"
        root["normalizer"] = normalizer
      })
    #expect(error.place.hasSuffix("key normalizer.lowercase"))
    #expect(error.expected == "true or false")
  }

  @Test(
    "a vocabulary with ids twice, with gaps, out of range, or none",
    arguments: [
      ("\"hello\": 7", "every id once"), ("\"hello\": 9999", "without a gap"),
      ("\"hello\": -1", "without a gap"), ("\"hello\": 99999999999", "without a gap"),
      ("\"hello\": 1.5", "an integer id"), ("\"hello\": \"7\"", "an integer id"),
    ])
  func badIDs(entry: String, expected: String) throws {
    let json = try validJSON()
    let range = try #require(json.range(of: #""hello": \d+"#, options: .regularExpression))
    let error = try error(ofJSON: Data(json.replacingCharacters(in: range, with: entry).utf8))
    #expect(error.expected.hasSuffix(expected))
    #expect(error.place.hasSuffix("key model.vocab, token \"hello\""))
  }

  @Test("a token twice, an empty vocabulary, a vocabulary without the unknown token")
  func badVocabularies() throws {
    let json = try validJSON()
    let twice = json.replacingOccurrences(of: "\"world\":", with: "\"hello\":")
    #expect(try error(ofJSON: Data(twice.utf8)).expected == "every token once")
    let empty = try error(
      ofJSON: changedJSON { root in
        var model = root["model"] as? [String: Any] ?? [:]
        model["vocab"] = [String: Int]()
        root["model"] = model
        root["added_tokens"] = [Any]()
      })
    #expect(empty.found == "no tokens")
    let unknown = json.replacingOccurrences(
      of: "\"unk_token\": \"[UNK]\"", with: "\"unk_token\": \"[WHAT]\"")
    #expect(try error(ofJSON: Data(unknown.utf8)).place.hasSuffix("key model.unk_token"))
  }

  @Test(
    "a template with a token that the vocabulary has not, or not at that id", arguments: [3, 7])
  func badTemplate(id: Int) throws {
    let error = try error(
      ofJSON: changedJSON { root in
        root["post_processor"] = [
          "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": [id == 7 ? "[NONE]" : "[CLS]", id],
        ]
      })
    #expect(error.place.hasSuffix("key post_processor.cls[1]"))
    #expect(error.found.hasPrefix(id == 7 ? "a vocabulary without it" : "3, the id of \"[SEP]\""))
  }

  @Test("an added token whose id is another token's")
  func badAddedToken() throws {
    let error = try error(
      ofJSON: changedJSON { root in
        var tokens = root["added_tokens"] as? [[String: Any]] ?? []
        tokens[4]["id"] = 5
        root["added_tokens"] = tokens
      })
    #expect(error.expected == "id 4, as the vocabulary has it")
    #expect(error.found == "id 5")
  }

  @Test("an added token that comes twice")
  func addedTokenTwice() throws {
    let error = try error(
      ofJSON: changedJSON { root in
        let tokens = root["added_tokens"] as? [[String: Any]] ?? []
        root["added_tokens"] = tokens + [tokens[0]]
      })
    #expect(error.expected == "every added token once")
  }

  @Test("added ids beyond all vocabularies, and added tokens that twice have one id")
  func badAddedIDs() throws {
    let vocabulary = Data("[UNK]\n[CLS]\n[SEP]\n".utf8)
    for id in ["2147483647", "99999999999", "-1", "x", ""] {
      let error = try error(
        ofVocabulary: vocabulary,
        config: "{\"added_tokens_decoder\": {\"\(id)\": {\"content\": \"<new>\"}}}")
      #expect(error.expected == "an id as the key")
    }
    let gap = try error(
      ofVocabulary: vocabulary,
      config: "{\"added_tokens_decoder\": {\"9\": {\"content\": \"<new>\"}}}")
    #expect(gap.expected.hasSuffix("without a gap"))
  }

  @Test(
    "JSON that is none, with line and column",
    arguments: [
      ("", "1:1"), ("{", "1:2"), ("{\n  \"a\": 1,\n}", "3:1"), ("{\"a\": tru}", "1:7"),
      ("{\"a\": \"\\ud800\"}", "1:8"), ("{\"a\": 1} x", "1:10"), ("{\"a\": 01}", "1:7"),
      ("{\"é\": \"\t\"}", "1:8"), ("{\"a\": 1e999}", "1:7"), ("[\"abc", "1:6"),
    ])
  func badJSON(text: String, position: String) throws {
    let error = try error(ofJSON: Data(text.utf8))
    #expect(error.place.hasSuffix("tokenizer.json:\(position)"))
  }

  @Test("JSON nested deeper than the stack would bear")
  func deepJSON() throws {
    let error = try error(ofJSON: Data(String(repeating: "[", count: 1_000_000).utf8))
    #expect(error.expected == "at most 128 levels of nesting")
  }

  @Test("bytes that are not UTF-8, with their line")
  func notUTF8() throws {
    let json = try error(ofJSON: Data("{\n\"a\": \"".utf8) + [0xC3, 0x28] + Data("\"}".utf8))
    #expect(json.place.hasSuffix("tokenizer.json:2:7"))
    #expect(json.expected == "UTF-8")
    let text = try error(ofVocabulary: Data("[PAD]\n[UNK]\n".utf8) + [0xFF, 0x0A])
    #expect(text.place.hasSuffix("vocab.txt:3"))
  }

  @Test(
    "a vocab.txt without a token that BERT needs", arguments: ["[UNK]", "[CLS]", "[SEP]"])
  func missingToken(token: String) throws {
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"].filter { $0 != token }
    let error = try error(ofVocabulary: Data((tokens.joined(separator: "\n") + "\n").utf8))
    #expect(error.expected.hasPrefix("the token \"\(token)\""))
    #expect(error.place.hasSuffix("/vocab.txt"))
  }

  @Test("a vocab.txt that is empty or has a token twice")
  func badVocabularyText() throws {
    #expect(try error(ofVocabulary: Data()).place.hasSuffix("vocab.txt"))
    let twice = try error(ofVocabulary: Data("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\na\n".utf8))
    #expect(twice.place.hasSuffix("vocab.txt:7, token \"a\""))
    #expect(twice.found == "it twice")
  }

  @Test("a tokenizer_config.json of another kind of tokenizer")
  func otherClass() throws {
    let error = try error(
      ofVocabulary: Data("[UNK]\n[CLS]\n[SEP]\n".utf8),
      config: "{\"tokenizer_class\": \"BertweetTokenizerFast\"}")
    #expect(error.place.hasSuffix("tokenizer_config.json, key tokenizer_class"))
    #expect(error.found == "the string \"BertweetTokenizerFast\"")
  }

  @Test("a file that is a folder")
  func notAFile() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.path + "/tokenizer.json", withIntermediateDirectories: false)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) }
    #expect(error?.found == "something that is not a regular file")
  }

  @Test("a file that is a link out of the folder, whether it would be read or only copied")
  func linkOut() throws {
    let files = FileManager.default
    let outside = try TemporaryFolder()
    try outside.copy(Fixture.path("uncased/tokenizer.json"), as: "tokenizer.json")
    for name in ["tokenizer.json", "merges.txt"] {
      let folder = try TemporaryFolder()
      try folder.copy(Fixture.path("uncased/tokenizer.json"), as: "inner.json")
      let link = folder.path + "/tokenizer.json"
      try files.createSymbolicLink(atPath: link, withDestinationPath: "inner.json")
      #expect(throws: Never.self) { try Tokenizer(modelFolder: folder.path) }
      if name == "tokenizer.json" { try files.removeItem(atPath: link) }
      try files.createSymbolicLink(
        atPath: "\(folder.path)/\(name)", withDestinationPath: outside.path + "/tokenizer.json")
      let error = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) }
      #expect(error?.place == "\(folder.path)/\(name)")
      #expect(error?.found == "a symbolic link out of it")
    }
  }

  @Test("the links of Hugging Face's cache are followed")
  func cacheLinks() throws {
    let cache = try TemporaryFolder()
    let files = FileManager.default
    let snapshot = cache.path + "/models--a--b/snapshots/0123"
    for folder in [snapshot, cache.path + "/models--a--b/blobs"] {
      try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try cache.copy(Fixture.path("uncased/tokenizer.json"), as: "models--a--b/blobs/ffff")
    try files.createSymbolicLink(
      atPath: snapshot + "/tokenizer.json", withDestinationPath: "../../blobs/ffff")
    #expect(throws: Never.self) { try Tokenizer(modelFolder: snapshot) }
  }

  @Test("a file that claims to be larger than any tokenizer is not read")
  func oversized() throws {
    let folder = try TemporaryFolder()
    try folder.write("", as: "tokenizer.json")
    #expect(truncate(folder.path + "/tokenizer.json", 1 << 40) == 0)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) }
    #expect(error?.expected == "at most 67108864 bytes")
    #expect(error?.found == "1099511627776")
  }

  /// Looked up one by one, these took the square of their number: minutes.
  @Test("100,000 added and special tokens are read in the time that their number takes")
  func manyAddedTokens() throws {
    let ids = 3..<100_003
    let added = ids.map { "\"\($0)\": {\"content\": \"<\($0)>\", \"special\": true}" }
    let special = ids.map { "\"<\($0)>\"" }
    let folder = try TemporaryFolder()
    try folder.write("[UNK]\n[CLS]\n[SEP]\n", as: "vocab.txt")
    try folder.write(
      "{\"added_tokens_decoder\": {\(added.joined(separator: ","))},"
        + "\"pad_token\": null, \"mask_token\": null,"
        + "\"additional_special_tokens\": [\(special.joined(separator: ","))]}",
      as: "tokenizer_config.json")
    var count = 0
    let time = try ContinuousClock().measure {
      count = try Tokenizer(modelFolder: folder.path).vocabularyCount
    }
    #expect(count == 100_003)
    #expect(time < .seconds(20), "\(time)")
  }

  @Test("a key of added_tokens_decoder that comes twice")
  func addedIDTwice() throws {
    let error = try error(
      ofVocabulary: Data("[UNK]\n[CLS]\n[SEP]\n".utf8),
      config: #"{"added_tokens_decoder": {"3": {"content": "a"}, "3": {"content": "b"}}}"#)
    #expect(error.place.hasSuffix("key added_tokens_decoder.3"))
    #expect(error.found == "it twice")
  }

  @Test("a message is one line that does not steer a terminal")
  func escapes() throws {
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\u{1b}[2J\na\u{1b}[2J\n"
    let error = try error(ofVocabulary: Data(vocabulary.utf8))
    #expect(error.description.contains("token \"a\\u{1b}[2J\""))
    #expect(!error.description.utf8.contains { $0 < 0x20 })
  }

  @Test("a message about a token of a million marks is short")
  func longTokens() throws {
    let token = "a" + String(repeating: "\u{301}", count: 1 << 20)
    let error = try error(
      ofVocabulary: Data("[UNK]\n[CLS]\n[SEP]\n\(token)\n\(token)\n".utf8))
    #expect(error.found == "it twice")
    #expect(error.description.unicodeScalars.count < 3000)
  }
}
