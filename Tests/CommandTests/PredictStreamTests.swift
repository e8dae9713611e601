import Foundation
import Testing

/// Rows that come as lines, and rows that are none.
@Suite struct PredictStreamTests {
  private static let sample = Program.package + "/launch/sample/tasks"
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// A model that a few steps made of random weights.
  private func train(_ file: String, _ task: String, maxLength: Int = 48) throws -> String {
    for split in ["train", "dev"] {
      let name = file.replacingOccurrences(of: "SPLIT", with: split)
      let result = try Program.run([
        "shard", "\(Self.sample)/\(name)", "--task", task, "--model", Self.sample, "--max-length",
        "\(maxLength)", "--output", "\(folder.path)/\(split)",
      ])
      #expect(result.status == 0, "\(result.errors)")
    }
    let result = try Program.run([
      "train", "--model", Self.sample, "--size", "tiny", "--train", folder.path + "/train",
      "--validation", folder.path + "/dev", "--output", folder.path + "/run", "--max-steps", "3",
    ])
    #expect(result.status == 0, "\(result.errors)")
    return folder.path + "/run/best"
  }

  private func predict(
    _ model: String, _ more: [String], input: String = ""
  ) throws -> (status: Int32, rows: [[String: Any]], errors: String) {
    let result = try Program.run(
      ["predict", "--model", model, "--format", "jsonl"] + more, input: input)
    let rows = try result.output.split(separator: "\n").map { line in
      try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
    }
    return (result.status, rows, result.errors)
  }

  @Test("a bad line has an error in its place, the others are predicted, ids come back")
  func badLines() throws {
    let model = try train("topics-SPLIT.tsv", "multi-class")
    var lines = (0..<80).map { #"{"text": "a long violin", "id": \#($0)}"# }
    lines[0] = #"{"text": "a long violin", "id": "the first"}"#
    lines[7] = #"{"text": "a long"#
    lines[40] = #"{"title": "a long violin"}"#
    lines[50] = #"{"text": "a long violin", "id": 1e999}"#
    lines[51] = #"{"text": "a long violin", "words": ["a", "long"]}"#
    lines[52] = #"{"text": "a long violin", "pair": "and a short one"}"#
    let (status, rows, errors) = try predict(
      model, ["--input", "jsonl"], input: lines.joined(separator: "\n"))
    #expect(status == 65)
    #expect(errors.contains("80 rows") && errors.contains("5 lines with errors"))
    #expect(rows.count == 80)
    #expect(rows[0]["id"] as? String == "the first")
    for index in 1..<80 where ![7, 40, 50, 51, 52].contains(index) {
      #expect(rows[index]["id"] as? Int == index)
      #expect(rows[index]["labels"] as? [String] == rows[0]["labels"] as? [String])
    }
    #expect(rows[7]["line"] as? Int == 8)
    #expect((rows[7]["error"] as? String)?.contains("at byte") == true)
    #expect(
      rows[40]["error"] as? String
        == "expected the key text, words or question, found the keys `title`")
    #expect((rows[50]["error"] as? String)?.hasPrefix("expected an id that is") == true)
    #expect((rows[51]["error"] as? String)?.hasPrefix("expected one of the keys text") == true)
    #expect((rows[52]["error"] as? String)?.hasPrefix("expected one text: --pairs") == true)
    let mark = try predict(model, [], input: "\u{FEFF}a long violin\n")
    #expect(mark.rows.first?["text"] as? String == "a long violin")
    let control = try Program.run(
      ["predict", "--model", model, "--input", "jsonl"], input: #"{"text": "a\nb\u001b[31m"}"#)
    #expect(control.output.split(separator: "\n").count == 1 && !control.output.contains("\u{1b}"))
    for (option, value) in [
      ("--threshold", "0.9"), ("--null-threshold", "3"), ("--doc-stride", "9"),
    ] {
      let refused = try Program.run(["predict", "--model", model, option, value, "a long violin"])
      #expect(
        refused.status == 64 && refused.errors.contains("\(option): for"), "\(refused.errors)")
    }
    let bytes = try Program.run(
      ["predict", "--model", model, "--pairs"], input: "one\ttwo\nthree\n")
    #expect(bytes.status == 65)
    #expect(
      bytes.output.hasSuffix(
        "error: line 2: expected two texts with a tab between them, found no tab\n"))
    let odd = try Program.run(["predict", "--model", model, "--pairs", "one"])
    #expect(odd.status == 64 && odd.errors.contains("expected two texts a row, found 1"))
    // Who refuses an option only after the weights would say that there are none.
    try FileManager.default.removeItem(atPath: model + "/model.safetensors")
    let early = try Program.run(["predict", "--model", model, "--threshold", "0.9", "one"])
    #expect(early.status == 64 && early.errors.contains("--threshold: for"), "\(early.errors)")
  }

  @Test("every word has a tag, however long the text")
  func longTags() throws {
    let model = try train("names-SPLIT.conll", "token-classification")
    let words = (0..<300).map { $0.isMultiple(of: 2) ? "Anna" : "went" }
    let (status, rows, errors) = try predict(
      model, ["--max-length", "16", words.joined(separator: " ")])
    #expect(status == 0, "\(errors)")
    #expect(rows.first?["words"] as? [String] == words)
    #expect((rows.first?["tags"] as? [String])?.count == 300)
    #expect((rows.first?["scores"] as? [Double])?.allSatisfy { $0 > 0 && $0 < 1 } == true)
    let text = try Program.run(["predict", "--model", model, "Anna went"])
    let lines = text.output.components(separatedBy: "\n")
    #expect(lines.count == 4 && lines[0].hasPrefix("Anna\t") && lines[1].hasPrefix("went\t"))
  }

  @Test("an answer is a part of the context, none where its score says so, whatever the length")
  func answers() throws {
    let model = try train("questions-SPLIT.json", "question-answering")
    let context = "日本 " + String(repeating: "Anna has a red clock. ", count: 60)
    let ask = ["--max-length", "32", "--doc-stride", "8", "Which colour has the clock?", context]
    let (status, rows, errors) = try predict(model, ask)
    #expect(status == 0, "\(errors)")
    let row = try #require(rows.first)
    let (start, end) = (row["start"] as? Int ?? -1, row["end"] as? Int ?? -1)
    let scalars = Array(context.unicodeScalars)
    #expect(0 <= start && start < end && end <= scalars.count)
    #expect(
      row["answer"] as? String
        == String(String.UnicodeScalarView(scalars[max(0, start)..<max(0, end)])))
    let spaced = try predict(model, ask.map { $0.hasPrefix("Which") ? "\u{a0}\n " + $0 : $0 })
    #expect(spaced.rows.first?["score"] as? Double == row["score"] as? Double)
    let none = try predict(model, ["--null-threshold", "-1000"] + ask)
    #expect(none.rows.first?["answer"] is NSNull && none.rows.first?["start"] is NSNull)
    for stride in ["15", "9999"] {
      let wide = try predict(
        model, ["--max-length", "32", "--doc-stride", stride, "Which?", "red"])
      #expect(wide.status == 64 && wide.errors.contains("--doc-stride: expected 0 to 14"))
    }
    let empty = try predict(model, ["Which?", ""])
    #expect(empty.status == 0 && empty.rows.first?["answer"] is NSNull, "\(empty.errors)")
  }

  @Test("masked words have their likeliest words, pairs the probability that they follow")
  func masks() throws {
    let model = try train("documents-SPLIT.txt", "pretraining")
    let (status, rows, errors) = try predict(
      model, ["--pairs", "they said the [MASK]", "a long [MASK] and [MASK]"])
    #expect(status == 0, "\(errors)")
    let masks = try #require(rows.first?["masks"] as? [[String: Any]])
    #expect(masks.count == 3)
    for mask in masks {
      let scores = mask["scores"] as? [Double] ?? []
      #expect(scores.count == 5 && scores == scores.sorted(by: >))
    }
    let follows = try #require(rows.first?["follows"] as? Double)
    #expect((0...1).contains(follows))
    let plain = try predict(model, ["no hidden word"])
    #expect((plain.rows.first?["masks"] as? [Any])?.isEmpty == true)
  }
}
