import Foundation
import Testing

@testable import Shards

/// A Python with tokenizers and h5py.
private let python = ProcessInfo.processInfo.environment["LOCKSTEP_PYTHON"]

/// `lockstep shard` for each task, from the samples in launch/.
@Suite struct ShardTaskTests {
  private static let sample = Program.package + "/launch/sample/tasks"
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func shard(
    _ files: [String], _ task: String, to output: String = "shards", _ more: String...
  ) throws -> Program.Result {
    try Program.run(
      ["shard"] + files
        + ["--task", task, "--model", Self.sample, "--output", folder.path + "/" + output] + more)
  }

  private func words(_ ids: some Sequence<Int32>) throws -> [String] {
    let lines = try String(contentsOfFile: Self.sample + "/vocab.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
    return ids.map { lines[Int($0)] }
  }

  @Test(
    "Samples become shards of their task",
    arguments: [
      ("multi-class", "topics-dev.tsv", 96), ("regression", "scores-dev.tsv", 96),
      ("token-classification", "names-dev.conll", 48),
      ("question-answering", "questions-dev.json", 36), ("pretraining", "documents-dev.txt", 0),
    ])
  func samples(task: String, file: String, rows: Int) throws {
    let result = try shard([Self.sample + "/" + file], task)
    #expect(result.status == 0, "\(result.errors)")
    let shards = try ShardFolder(path: folder.path + "/shards")
    #expect(shards.task.rawValue == task)
    if rows > 0 { #expect(shards.rows == rows) }
    #expect(shards.maxLength == (task == "question-answering" ? 384 : 128))
    _ = try shards.read(Array(0..<shards.rows))
  }

  @Test("The labels of a validation file may be those of the training shards")
  func labelsFrom() throws {
    let few = try folder.write("few.tsv", "text\tlabel\nrain\tweather\n")
    #expect(try shard([Self.sample + "/topics-train.tsv"], "multi-class", to: "train").status == 0)
    let train = folder.path + "/train"
    #expect(try shard([few], "multi-class", "--labels-from", train).status == 0)
    let shards = try ShardFolder(path: folder.path + "/shards")
    #expect(shards.labelNames == ["food", "music", "travel", "weather"])
    #expect(try shards.read([0]).labels.integers == [3])
    let wrong = try shard([few], "multi-label", to: "other", "--labels-from", train)
    #expect(wrong.status == 65)
    #expect(wrong.errors.contains("expected shards for multi-label, found shards for multi-class"))
  }

  @Test("The first token of a word has its tag, and words that are cut are counted")
  func tags() throws {
    let file = try folder.write("tags.conll", "Anna B-PER\nxylo O\nwent O\n\nred O\n")
    let result = try shard([file], "token-classification", "--max-length", "6")
    #expect(result.status == 0)
    #expect(result.errors.contains("1 words lie beyond --max-length 6 and have no tag"))
    let shards = try ShardFolder(path: folder.path + "/shards")
    #expect(shards.labelNames == ["O", "B-PER"])
    let rows = try shards.read([0, 1])
    #expect(
      try words(rows.inputIDs)
        == ["[CLS]", "anna", "x", "##y", "##l", "[SEP]", "[CLS]", "red", "[SEP]"])
    #expect(rows.labels.integers == [-100, 1, 0, -100, -100, -100, -100, 0, -100])
    let unknown = try shard([file], "token-classification", to: "x", "--labels", "O,B-LOC")
    #expect(unknown.status == 65)
    #expect(unknown.errors.contains("tags.conll:1:6: expected the tags O, B-LOC, found B-PER"))
  }

  @Test("Windows overlap, and those without the whole answer are labelled 0, 0")
  func windows() throws {
    let context = "red lamp blue boat green coat black book white stone yellow clock"
    let file = try folder.write(
      "squad.json",
      """
      {"data": [{"paragraphs": [{"context": "\(context)", "qas": [{"id": "a", "question": "which", \
      "answers": [{"text": "green coat", "answer_start": 19}]}]}]}]}
      """)
    #expect(
      try shard([file], "question-answering", "--max-length", "9", "--doc-stride", "2").status == 0)
    let shards = try ShardFolder(path: folder.path + "/shards")
    #expect(shards.rows == 4)
    var texts: [[String]] = []
    var answers: [String] = []
    try shards.forEachAnswerContext { row, id, found in
      #expect(id == "a" && found.context == context && found.answers == ["green coat"])
      let batch = try shards.read([row])
      texts.append(try words(batch.inputIDs.dropFirst(3).dropLast()))
      let ends = batch.labels.integers.map { found.ranges[Int($0)] }
      let range = (ends[0]?.lowerBound ?? 0)..<(ends[1]?.upperBound ?? 0)
      answers.append(String(decoding: Array(context.utf8)[range], as: UTF8.self))
    }
    #expect(
      texts == [
        ["red", "lamp", "blue", "boat", "green"], ["boat", "green", "coat", "black", "book"],
        ["black", "book", "white", "stone", "yellow"], ["stone", "yellow", "clock"],
      ])
    #expect(answers == ["", "green coat", "", ""])
  }

  @Test(
    "Windows are those of Hugging Face's run_qa",
    .enabled(if: python != nil, "LOCKSTEP_PYTHON names no Python with tokenizers and h5py"),
    arguments: ["bpe", "unigram", "mpnet"])
  func windowsOfRunQA(kind: String) throws {
    let (file, model) = (
      Self.sample + "/questions-dev.json", Program.fixtures + "/subword/" + kind
    )
    let result = try Program.run([
      "shard", file, "--task", "question-answering", "--model", model, "--output",
      folder.path + "/shards", "--max-length", "60", "--doc-stride", "12",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: try #require(python))
    process.arguments = [
      Program.package + "/Tests/Interop/question_windows.py", model, file,
      folder.path + "/shards", "60", "12",
    ]
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(text.hasSuffix("\"other_labels_in_run_qa\": 0}\n"), "\(text)")
  }

  @Test("The same seed gives the same segments, half of them of another document")
  func segments() throws {
    let file = Self.sample + "/documents-train.txt"
    for (output, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
      let result = try shard(
        [file], "pretraining", to: output, "--seed", seed, "--max-length", "48")
      #expect(result.status == 0)
    }
    func bytes(_ name: String) throws -> Data {
      try Data(contentsOf: URL(fileURLWithPath: folder.path + "/\(name)/00000.h5"))
    }
    #expect(try bytes("a") == bytes("b"))
    #expect(try bytes("a") != bytes("c"))
    let shards = try ShardFolder(path: folder.path + "/a")
    let random = try shards.read(Array(0..<shards.rows)).labels.integers.count { $0 == 1 }
    #expect((0.4...0.65).contains(Double(random) / Double(shards.rows)))
  }

  @Test("A document whose rows are short has one length for all of them")
  func shortDocuments() throws {
    let words = ["red", "blue", "green"]
    let documents = words.map { String(repeating: $0 + "\n", count: 400) }
    let file = try folder.write("short.txt", documents.joined(separator: "\n"))
    let result = try shard(
      [file], "pretraining", "--max-length", "48", "--short-sequence-probability", "1")
    #expect(result.status == 0, "\(result.errors)")
    let shards = try ShardFolder(path: folder.path + "/shards")
    // Sentences of one token: all rows that go on in their document have the wanted length but the last.
    var lengths: [Int32: [Int]] = [:]
    for row in 0..<shards.rows {
      let batch = try shards.read([row])
      guard batch.labels.integers == [0] else { continue }
      lengths[batch.inputIDs[1], default: []].append(batch.inputIDs.count)
    }
    #expect(lengths.count == 3)
    for found in lengths.values { #expect(Set(found.dropLast()).count == 1, "\(found)") }
  }

  @Test("Options that a task does not have are refused")
  func foreignOptions() throws {
    let file = Self.sample + "/topics-dev.tsv"
    for arguments in [
      ["regression", "--labels", "a"], ["multi-class", "--labels", "a,a"],
      ["multi-class", "--labels", "a", "--labels-from", "x"],
      ["multi-label", "--label-column", "a"],
      ["pretraining", "--pair-column", "a"], ["pretraining", "--doc-stride", "9"],
      ["token-classification", "--text-column", "a"], ["pretraining", "--id-column", "a"],
      ["question-answering", "--input-format", "tsv"], ["multi-class", "--doc-stride", "9"],
      ["multi-label", "--seed", "1"], ["regression", "--short-sequence-probability", "0.5"],
      ["pretraining", "--labels-from", "x"], ["pretraining", "--max-length", "4"],
    ] {
      let result = try Program.run(
        ["shard", file, "--model", Self.sample, "--output", folder.path + "/x", "--task"]
          + arguments)
      #expect(result.status == 64, "\(arguments): \(result.errors)")
    }
    let lone = try folder.write("lone.txt", "red lamp\nblue boat\n")
    let result = try shard([lone], "pretraining")
    #expect(result.status == 65)
    #expect(result.errors.contains("lone.txt: expected at least two documents with words, found 1"))
  }
}
