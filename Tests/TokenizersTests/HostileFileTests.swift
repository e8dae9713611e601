import Foundation
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
    #expect(empty?.expected == "tokenizer.json or vocab.txt")
    #expect(empty?.place == folder.path)
  }

  @Test(
    "a part of tokenizer.json of a type that is not supported, with file and key",
    arguments: [
      ("model", "BPE", "\"WordPiece\""), ("normalizer", "NFC", "\"BertNormalizer\""),
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
      config: "{\"tokenizer_class\": \"RobertaTokenizerFast\"}")
    #expect(error.place.hasSuffix("tokenizer_config.json, key tokenizer_class"))
    #expect(error.found == "the string \"RobertaTokenizerFast\"")
  }

  @Test("a file that is a folder")
  func notAFile() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.path + "/tokenizer.json", withIntermediateDirectories: false)
    let error = #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) }
    #expect(error?.found == "something that is not a regular file")
  }
}
