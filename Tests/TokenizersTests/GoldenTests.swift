import Foundation
import Testing

@testable import Tokenizers

/// Where the real vocabulary and the golden cases may be found; all are optional.
enum GoldenFiles {
  /// The model folder that the variable names, else the one that the launch scripts keep.
  static func model(_ name: String, variable: String) -> String? {
    let environment = ProcessInfo.processInfo.environment
    let home = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
    let cache = environment["LOCKSTEP_CACHE"] ?? home + "/lockstep"
    return [environment[variable], "\(cache)/\(name)"].compactMap { $0 }
      .first { FileManager.default.fileExists(atPath: $0 + "/tokenizer.json") }
  }

  static let minilm = model("minilm", variable: "LOCKSTEP_MINILM")
  static let mpnet = model("mpnet", variable: "LOCKSTEP_MPNET")

  static let folder: String? = {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = package.appending(path: "../shared/golden-tokenizers").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()
}

@Suite(
  "Golden cases of every kind of tokenizer",
  .enabled(if: GoldenFiles.folder != nil, "needs ../shared/golden-tokenizers"))
struct GoldenTests {
  @Test(
    "have Hugging Face's ids, whichever of a tokenizer's files it is read from",
    .enabled(if: GoldenFiles.minilm != nil, "set LOCKSTEP_MINILM to the MiniLM model folder"))
  func wordPiece() throws {
    let model = try #require(GoldenFiles.minilm)
    let whole = try Tokenizer(modelFolder: model)
    let parts = try tokenizer(
      of: model, ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"])
    try check(whole, "wordpiece")
    try check(parts, "wordpiece")
    #expect(whole.vocabularySHA256 == parts.vocabularySHA256)
    #expect(parts.vocabularyCount == 30522)
  }

  @Test("byte-level BPE, from tokenizer.json as from vocab.json and merges.txt")
  func bytePairs() throws {
    let folder = try #require(GoldenFiles.folder) + "/bpe"
    let whole = try tokenizer(of: folder, ["tokenizer.json"])
    let parts = try tokenizer(of: folder, ["vocab.json", "merges.txt", "tokenizer_config.json"])
    try check(whole, "bpe")
    try check(parts, "bpe")
    #expect(whole.vocabularySHA256 == parts.vocabularySHA256)
  }

  @Test("Unigram, from tokenizer.json as from spm.model")
  func unigram() throws {
    let folder = try #require(GoldenFiles.folder) + "/unigram"
    let whole = try tokenizer(of: folder, ["tokenizer.json"])
    let parts = try tokenizer(
      of: folder, ["spm.model", "config.json", "tokenizer_config.json"])
    let bare = try tokenizer(of: folder, ["spm.model"])
    for tokenizer in [whole, parts, bare] { try check(tokenizer, "unigram") }
    #expect(whole.vocabularySHA256 == parts.vocabularySHA256)
    #expect(whole.vocabularySHA256 == bare.vocabularySHA256)
  }

  private func tokenizer(of folder: String, _ names: [String]) throws -> Tokenizer {
    let copy = try TemporaryFolder()
    for name in names { try copy.copy("\(folder)/\(name)", as: name) }
    return try Tokenizer(modelFolder: copy.path)
  }

  /// Type ids are the model's template's. The general class of `transformers` that wrote the unigram
  /// cases gives none, which they hold as zeros.
  private func check(_ tokenizer: Tokenizer, _ kind: String) throws {
    let path = try #require(GoldenFiles.folder) + "/\(kind)/cases.jsonl"
    let lines = try ModelFile.read(path).split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == 1287)
    for (index, line) in lines.enumerated() {
      let row = JSONField(
        file: "\(path):\(index + 1)", value: try JSON(parsing: Array(line), name: "cases.jsonl"))
      let pair = try row.member("pair")
      let length = try row.member("max_length")
      let encoding = try tokenizer.encode(
        row.member("text").string(), pair: pair.isNull ? nil : pair.string(),
        maxLength: length.isNull ? nil : length.integer(in: 0...512))
      let ids = try row.member("ids").elements().map { try $0.integer(in: 0...30521) }
      #expect(encoding.ids.map(Int.init) == ids, "case \(index + 1) of \(kind)")
      if kind == "unigram" { continue }
      let typeIDs = try row.member("type_ids").elements().map { try $0.integer(in: 0...1) }
      #expect(encoding.typeIDs.map(Int.init) == typeIDs, "case \(index + 1) of \(kind)")
    }
  }
}
