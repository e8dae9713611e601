import Foundation
import Testing

@testable import Tokenizers

/// A fixture's tokenizer.json with one member of one of its parts changed to what `json` says.
private func changed(_ folder: String, _ part: String, _ key: String, to json: String) throws
  -> Data
{
  let data = try Data(contentsOf: URL(filePath: SubwordFixture.path("\(folder)/tokenizer.json")))
  var root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  var object = try #require(root[part] as? [String: Any])
  object[key] = try JSONSerialization.jsonObject(
    with: Data(json.utf8), options: .fragmentsAllowed)
  root[part] = object
  return try JSONSerialization.data(withJSONObject: root)
}

private func error(of files: [String: Data]) throws -> TokenizerError {
  let folder = try TemporaryFolder()
  for (name, data) in files { try folder.write(data, as: name) }
  return try #require(
    #expect(throws: TokenizerError.self) { try Tokenizer(modelFolder: folder.path) })
}

private func read(_ name: String) throws -> Data {
  try Data(contentsOf: URL(filePath: SubwordFixture.path(name)))
}

/// A Protocol Buffers field of bytes.
private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
  [number << 3 | 2, UInt8(bytes.count)] + bytes
}

@Suite("Files that make no tokenizer of subwords are refused by name")
struct HostileSubwordTests {
  @Test(
    "a setting of tokenizer.json that byte-level BPE does not have",
    arguments: [
      ("model", "continuing_subword_prefix", "\"##\"", "none, as in byte-level BPE"),
      ("model", "end_of_word_suffix", "\"</w>\"", "none, as in byte-level BPE"),
      ("model", "dropout", "0.1", "none"),
      ("model", "byte_fallback", "true", "false, as in byte-level BPE"),
      ("model", "unk_token", "\"none such\"", "a token of the vocabulary"),
      ("model", "merges", "[\"ab\"]", "two tokens with a space between"),
      ("model", "merges", "[\"a b c\"]", "two tokens with a space between"),
      ("model", "merges", "[[\"a\", \"b\", \"c\"]]", "two tokens"),
      ("model", "merges", "[[1, 2]]", "two tokens"), ("model", "merges", "{}", "an array"),
      (
        "model", "merges", "[\"a none\"]", "tokens of the vocabulary that make another one"
      ),
      ("model", "merges", "[\"! z\"]", "tokens of the vocabulary that make another one"),
      ("model", "vocab", "{\"a\": 0, \"b\": 0}", "every id once"),
      ("pre_tokenizer", "type", "\"Whitespace\"", "\"ByteLevel\""),
      ("pre_tokenizer", "add_prefix_space", "1", "true or false"),
      ("decoder", "type", "\"WordPiece\"", "\"ByteLevel\""),
    ])
  func bytePairs(part: String, key: String, json: String, expected: String) throws {
    let error = try error(of: ["tokenizer.json": changed("bpe", part, key, to: json)])
    #expect(error.expected == expected)
    #expect(error.place.contains("tokenizer.json, key \(part).\(key)"))
  }

  @Test(
    "a setting of tokenizer.json that Unigram does not have",
    arguments: [
      ("model", "unk_id", "null", "an integer from 0 to"),
      ("model", "unk_id", "400000", "an integer from 0 to"),
      ("model", "unk_id", "-1", "an integer from 0 to"),
      ("model", "vocab", "[[\"a\", \"b\"]]", "a piece and its score"),
      ("model", "vocab", "[[\"a\"]]", "a piece and its score"),
      ("model", "vocab", "[]", "a vocabulary"),
      ("model", "vocab", "[[\"a\", 1], [\"a\", 2]]", "every token once"),
      ("model", "byte_fallback", "1", "true or false"),
      ("pre_tokenizer", "pretokenizers", "[]", "Metaspace at the end"),
      (
        "pre_tokenizer", "pretokenizers", "[{\"type\": \"Digits\"}, {\"type\": \"Metaspace\"}]",
        "one of WhitespaceSplit, Punctuation"
      ),
      (
        "pre_tokenizer", "pretokenizers", "[{\"type\": \"Metaspace\", \"replacement\": \"__\"}]",
        "one character"
      ),
      (
        "pre_tokenizer", "pretokenizers",
        "[{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"last\"}]",
        "one of always, first, never"
      ),
      ("normalizer", "normalizers", "[{\"type\": \"NFKC\"}]", "one of Sequence, BertNormalizer"),
      (
        "normalizer", "normalizers",
        "[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA=A\"}]", "bytes in base 64"
      ),
      (
        "normalizer", "normalizers",
        "[{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAAAA==\"}]",
        "a precompiled character map"
      ),
      (
        "normalizer", "normalizers",
        "[{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(a+)+\"}, \"content\": \"\"}]",
        "one of the regular expressions"
      ),
      (
        "normalizer", "normalizers",
        "[{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"\"}]",
        "a text to replace"
      ),
    ])
  func unigram(part: String, key: String, json: String, expected: String) throws {
    let error = try error(of: ["tokenizer.json": changed("unigram", part, key, to: json)])
    #expect(error.expected.hasPrefix(expected), "\(error)")
    let isOfPart = key == "pretokenizers" && json == "[]"
    let place = isOfPart ? part : "\(part).\(key)"
    #expect(error.place.contains("tokenizer.json, key \(place)"), "\(error)")
  }

  @Test("a piece of Unigram that is longer than any model's")
  func longPiece() throws {
    let piece = String(repeating: "a", count: 1025)
    let error = try error(
      of: ["tokenizer.json": changed("unigram", "model", "vocab", to: "[[\"\(piece)\", 0]]")])
    #expect(error.expected == "pieces of at most 1024 bytes")
  }

  @Test(
    "merges.txt with a line that is no merge, with the line's number",
    arguments: [
      ("a", "two tokens with a space between"), ("a b c", "two tokens with a space between"),
      ("none b", "tokens of the vocabulary that make another one"), ("\u{FFFD} a", "tokens of"),
    ])
  func badMerges(line: String, expected: String) throws {
    let error = try error(of: [
      "vocab.json": read("bpe/vocab.json"), "merges.txt": Data("#version: 0.2\n\n\(line)\n".utf8),
    ])
    #expect(error.place.hasSuffix("merges.txt:3"))
    #expect(error.expected.hasPrefix(expected))
  }

  @Test("merges.txt that is not UTF-8 or not there, vocab.json without the special tokens")
  func badFiles() throws {
    let vocabulary = try read("bpe/vocab.json")
    let bytes = try error(of: ["vocab.json": vocabulary, "merges.txt": Data([0xFF, 0x20, 0x61])])
    #expect(bytes.expected == "UTF-8" && bytes.place.hasSuffix("merges.txt:1"))
    let missing = try error(of: ["vocab.json": vocabulary])
    #expect(missing.place.hasSuffix("merges.txt"))
    let special = try error(of: ["vocab.json": Data("{\"a\": 0}".utf8), "merges.txt": Data()])
    #expect(special.expected == "the token \"<s>\" (cls_token)")
  }

  private static let piece = field(1, field(1, [0x61]))

  private static let badModels: [(bytes: [UInt8], expected: String)] = [
    (bytes: [0xFF], expected: "an integer"),
    (bytes: [0x0A], expected: "an integer"),
    (bytes: [0x0A, 5, 0x61], expected: "5 bytes more"),
    (bytes: [0x0B], expected: "a wire type 0, 1, 2 or 5"),
    (bytes: [0x02, 0], expected: "a field number"),
    (bytes: [UInt8](repeating: 0x80, count: 11), expected: "an integer of at most 10 bytes"),
    (bytes: [0x0D, 1, 2], expected: "4 bytes more"),
    (bytes: [0x08, 1], expected: "bytes in field 1"),
    (bytes: field(1, field(1, [0xFF])), expected: "UTF-8 in field 1"),
    (bytes: field(1, [0x10, 1]), expected: "a float in field 2"),
    (bytes: field(1, []), expected: "a piece with a text"),
    (bytes: field(2, field(3, [1])), expected: "an integer in field 3"),
    (bytes: piece + field(2, [0x18, 2]), expected: "a unigram model"),
    (bytes: piece + field(2, [0xC0, 0x02, 7]), expected: "an unknown piece among the 1"),
    (bytes: [], expected: "an unknown piece among the 0"),
    (bytes: piece + field(3, field(2, [1, 2])), expected: "the token \"[CLS]\""),
  ]

  @Test("spm.model that is no message, or of another model", arguments: badModels)
  func badModel(bytes: [UInt8], expected: String) throws {
    let error = try error(of: ["spm.model": Data(bytes)])
    #expect(error.expected.hasPrefix(expected), "\(error)")
    #expect(error.place.contains("/spm.model"))
  }

  @Test("a character map whose trie leads out of it changes nothing and reads nothing else")
  func strayTrie() throws {
    for unit: UInt32 in [0xFFFF_FFFF, 0x7FFF_FF00, 0x0000_0100, 0x8000_0061, 0x0000_0161, 0] {
      var blob: [UInt8] = [4, 1, 0, 0]
      for _ in 0..<65 {
        for shift: UInt32 in [0, 8, 16, 24] {
          blob.append(UInt8(truncatingIfNeeded: unit >> shift))
        }
      }
      let map = try #require(CharacterMap(blob: blob + Array("x\u{E9}".utf8)))
      var output: [UInt8] = []
      map.normalize(Array("abc \u{E9}\u{301}\u{1F600}".utf8).span, into: &output)
      #expect(String(validating: output, as: UTF8.self) != nil)
    }
    #expect(CharacterMap(blob: [4, 0, 0, 0, 0, 0, 0, 0, 0xFF]) == nil)
    #expect(CharacterMap(blob: [8, 0, 0, 0, 0, 0, 0, 0]) == nil)
    #expect(CharacterMap(blob: [3, 0, 0, 0, 0, 0, 0]) == nil)
    #expect(CharacterMap(blob: [0, 0, 0, 0]) == nil)
  }

  @Test("a spm.model with any byte changed is refused, or gives ids of its vocabulary")
  func changedBytes() throws {
    let model = try read("unigram/spm.model")
    let folder = try TemporaryFolder()
    var numRefused = 0
    for position in stride(from: 0, to: model.count, by: 23) {
      var bytes = model
      bytes[position] ^= 0xFF
      try folder.write(bytes, as: "spm.model")
      do {
        let tokenizer = try Tokenizer(modelFolder: folder.path)
        let ids = try tokenizer.encode("so happy \u{FB01}\u{301} caf\u{E9}\u{0}").ids
        #expect(ids.allSatisfy { (0..<Int32(tokenizer.vocabularyCount)).contains($0) })
      } catch is TokenizerError {
        numRefused += 1
      }
    }
    #expect(numRefused > 10)
  }
}
