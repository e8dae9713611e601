import Foundation
import Testing

@testable import Tokenizers

/// Where the real vocabulary and the golden cases may be found; both are optional.
enum GoldenFiles {
  /// The model folder that LOCKSTEP_MINILM names, else the one that the launch scripts keep.
  static let model: String? = {
    let environment = ProcessInfo.processInfo.environment
    let home = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
    let cache = environment["LOCKSTEP_CACHE"] ?? home + "/lockstep"
    return [environment["LOCKSTEP_MINILM"], cache + "/minilm"].compactMap { $0 }
      .first { FileManager.default.fileExists(atPath: $0 + "/tokenizer.json") }
  }()

  static let cases: String? = {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = package.appending(path: "../shared/golden-tokenizers/wordpiece/cases.jsonl").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()
}

@Suite(
  "Golden ids of the MiniLM vocabulary",
  .enabled(if: GoldenFiles.model != nil, "set LOCKSTEP_MINILM to the MiniLM model folder"),
  .enabled(if: GoldenFiles.cases != nil, "needs ../shared/golden-tokenizers/wordpiece"))
struct GoldenTests {
  @Test("from tokenizer.json every golden case has Hugging Face's ids and type ids")
  func tokenizerJSON() throws {
    try check(Tokenizer(modelFolder: #require(GoldenFiles.model)))
  }

  @Test("from vocab.txt and tokenizer_config.json they are the same, and so is the hash")
  func vocabularyText() throws {
    let model = try #require(GoldenFiles.model)
    let folder = try TemporaryFolder()
    for name in ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"] {
      try folder.copy(model + "/" + name, as: name)
    }
    let tokenizer = try Tokenizer(modelFolder: folder.path)
    try check(tokenizer)
    #expect(try tokenizer.vocabularySHA256 == Tokenizer(modelFolder: model).vocabularySHA256)
    #expect(tokenizer.vocabularyCount == 30522)
  }

  private func check(_ tokenizer: Tokenizer) throws {
    let lines = try ModelFile.read(#require(GoldenFiles.cases)).split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == 1287)
    for (index, line) in lines.enumerated() {
      let row = JSONField(
        file: "cases.jsonl:\(index + 1)", value: try JSON(parsing: Array(line), name: "cases.jsonl")
      )
      let pair = try row.member("pair")
      let length = try row.member("max_length")
      let encoding = try tokenizer.encode(
        row.member("text").string(), pair: pair.isNull ? nil : pair.string(),
        maxLength: length.isNull ? nil : length.integer(in: 0...512))
      let ids = try row.member("ids").elements().map { try $0.integer(in: 0...30521) }
      let typeIDs = try row.member("type_ids").elements().map { try $0.integer(in: 0...1) }
      #expect(encoding.ids.map(Int.init) == ids, "case \(index + 1)")
      #expect(encoding.typeIDs.map(Int.init) == typeIDs, "case \(index + 1)")
    }
  }
}
