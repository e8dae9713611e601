import Foundation
import Testing

@testable import Shards

@Suite struct AnswerShardTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func questions(_ json: String) throws -> [AnsweredQuestion] {
    try write(json, to: folder("squad.json"))
    return try AnsweredQuestions(paths: [folder("squad.json")]).questions
  }

  private func failure(_ json: String) -> String {
    let text = message { _ = try questions(json) }
    return String(text.dropFirst(folder.path.utf8.count + 1))
  }

  private func file(_ entries: String, context: String = "né à Łódź") -> String {
    #"{"version": "x", "data": [{"paragraphs": [{"context": "\#(context)", "qas": [\#(entries)]}]}]}"#
  }

  @Test("SQuAD counts characters, and ranges count bytes")
  func ranges() throws {
    let found = try questions(
      file(
        """
        {"id": "1", "question": "q", "answers": [{"text": "Łódź", "answer_start": 5}, \
        {"text": "à Łódź", "answer_start": 3}]}, \
        {"id": "2", "question": "r", "answers": [], "is_impossible": true}, \
        {"id": "3", "question": "s", "is_impossible": true, \
        "answers": [{"text": "nowhere", "answer_start": 90}]}
        """))
    #expect(found.map(\.id) == ["1", "2", "3"])
    #expect(found[0].answers == ["Łódź", "à Łódź"])
    #expect(found[0].answerRange == 7..<14)
    #expect(found[1].answers.isEmpty && found[1].answerRange == nil)
    #expect(found[2].answers.isEmpty && found[2].answerRange == nil)
  }

  @Test("Keys may come in any order")
  func keyOrder() throws {
    let found = try questions(
      #"{"data": [{"paragraphs": [{"qas": [{"answers": [{"answer_start": 0, "text": "né"}], "#
        + #""question": "Qui ?", "id": "1"}], "context": "né", "more": {"a": [1]}}]}]}"#)
    #expect(found.map(\.question) == ["Qui ?"])
    #expect(found[0].answerRange == 0..<3)
  }

  @Test("What is not as it says is named with its line and column")
  func badFiles() {
    func entry(_ start: String, id: String = "1") -> String {
      "\n " + #"{"id": "\#(id)", "question": "q", "#
        + #""answers": [{"text": "né", "answer_start": \#(start)}]}"#
    }
    for start in ["1", "-1", "8", "9223372036854775807"] {
      #expect(
        failure(file(entry(start)))
          == "squad.json:2:43: expected `né` at character \(start) of its context, "
          + "found something else; correct answer_start")
    }
    #expect(
      failure(file(entry("0") + "," + entry("0")))
        == "squad.json:3:2: expected each id once, found `1` again; give each question its own id")
    let long = String(repeating: "i", count: 1025)
    #expect(
      failure(file(entry("0", id: long)))
        .hasPrefix("squad.json:2:9: expected a name of at most 1024 bytes, found 1025 bytes"))
    #expect(
      failure(file("\n\n  " + #"{"id": "1", "question": "q"}"#))
        .hasPrefix("squad.json:3:3: expected the key `answers`, found an object without it"))
    #expect(
      failure(file(#"{"id": "1", "id": "2"}"#)).contains("each key once, found `id` again"))
    #expect(
      failure(file(#"{"id": "1", "is_impossible": 1}"#)).contains("expected `true` or `false`"))
    #expect(
      failure(#"{"data": [{"paragraphs": [{"qas": []}]}]}"#)
        .hasPrefix("squad.json:1:27: expected the key `context`"))
    #expect(failure(#"{"version": "2"}"#).hasPrefix("squad.json:1:1: expected the key `data`"))
    #expect(failure(#"{"data": []}"#).hasPrefix("squad.json: expected questions, found none"))
    #expect(failure("{\n\"data\": x").hasPrefix("squad.json:2:9: expected an array, found `x`"))
    let deep = String(repeating: "[", count: 100_000)
    #expect(failure(#"{"x": "# + deep).contains("expected at most 32 levels of nesting"))
  }

  private func writeShards(to path: String) throws {
    let writer = try ShardWriter(
      destination: path,
      description: ShardDescription(
        task: .questionAnswering, labelNames: [], maxLength: 8,
        vocabularySHA256: Example.vocabulary, hasPairs: true), rows: 3, shards: 2)
    for row in 0..<3 {
      try writer.append(
        ids: [2, Int32(row), 3], typeIDs: [0, 1, 1], rowID: "q\(row / 2)",
        labels: RowLabels(.questionAnswering, [Int32](repeating: row == 1 ? 0 : 1, count: 2)),
        context: context(row))
    }
    _ = try writer.finish()
  }

  private func context(_ row: Int) -> AnswerContext {
    // Rows 0 and 1 are windows of one context.
    AnswerContext(
      context: "\"é/\n\" \(row / 2)", answers: row == 2 ? [] : ["é", "0"],
      ranges: [nil, row == 1 ? 3..<4 : 1..<3, nil])
  }

  @Test("Contexts, answers and ranges come back in order, over files, and from a lone file")
  func roundTrip() throws {
    try writeShards(to: folder("shards"))
    let shards = try ShardFolder(path: folder("shards"))
    var found: [(row: Int, id: String, context: AnswerContext)] = []
    try shards.forEachAnswerContext { found.append(($0, $1, $2)) }
    #expect(found.map(\.row) == [0, 1, 2])
    #expect(found.map(\.id) == ["q0", "q0", "q1"])
    #expect(found.map(\.context) == (0..<3).map(context))
    #expect(try shards.read([2, 1]).labels.integers == [1, 1, 0, 0])
    let lone = try ShardFolder(path: folder("shards") + "/00000.h5")
    var ids: [String] = []
    try lone.forEachAnswerContext { _, id, _ in ids.append(id) }
    #expect(ids == ["q0", "q0"])
  }

  @Test("Ranges beyond the context, and what is not JSON, are refused")
  func badRecords() throws {
    func read(_ record: String, _ bounds: [Int32]) -> String {
      message {
        _ = try AnswerContext(
          record: ContextRecord(json: Array(record.utf8), "x.h5"), bounds: bounds, "x.h5")
      }
    }
    let record = #"{"answers":[],"context":"abc"}"#
    #expect(read(record, [-1, -1, 0, 3]) == "")
    for bounds: [Int32] in [[0, 4], [-1, 2], [2, 1], [3, .max], [.min, .min]] {
      #expect(read(record, bounds).hasPrefix("x.h5: expected bytes within a context of 3"))
    }
    for wrong in ["", "{}", "[]", #"{"answers":[1],"context":"abc"}"#] {
      #expect(read(wrong, [0, 0]).contains("expected JSON of a context and its answers"))
    }
  }
}
