import Foundation
import Testing

@testable import Shards

/// Tables with one column of labels or numbers.
@Suite struct LabelColumnTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func read(
    _ text: String, _ columns: DatasetColumns, name: String = "data.tsv"
  ) throws -> (names: [String], rows: [DatasetRow]) {
    try write(text, to: folder(name))
    let reader = try DatasetReader(paths: [folder(name)], columns: columns)
    _ = try reader.countRows()
    var rows: [DatasetRow] = []
    try reader.forEachRow { rows.append($0) }
    return (reader.labelNames, rows)
  }

  private func failure(
    _ text: String, _ columns: DatasetColumns, name: String = "data.tsv"
  ) -> String {
    let text = message { _ = try read(text, columns, name: name) }
    return String(text.dropFirst(folder.path.utf8.count + 1))
  }

  @Test("Names are numbered in the order of their bytes")
  func names() throws {
    let found = try read(
      "text\tlabel\na\tzebra\nb\tApe\nc\tape\nd\tzebra\n", DatasetColumns(task: .multiClass))
    #expect(found.names == ["Ape", "ape", "zebra"])
    #expect(found.rows.map(\.labels.integers) == [[2], [0], [1], [2]])
  }

  @Test("Integers are numbered by their value, and equal ones by their bytes")
  func integers() throws {
    let found = try read(
      "text\tstars\na\t10\nb\t9\nc\t-1\nd\t09\n", DatasetColumns(task: .multiClass, label: "stars"))
    #expect(found.names == ["-1", "09", "9", "10"])
    #expect(found.rows.map(\.labels.integers) == [[3], [2], [0], [1]])
  }

  @Test("Named labels keep their order, and one that does not occur its number")
  func namedLabels() throws {
    let found = try read(
      "text\tlabel\na\tno\nb\tmaybe\n",
      DatasetColumns(task: .multiClass, labels: ["yes", "no", "maybe"]))
    #expect(found.names == ["yes", "no", "maybe"])
    #expect(found.rows.map(\.labels.integers) == [[1], [2]])
  }

  @Test("A label that nobody named is an error with its line and column")
  func unknownLabel() {
    #expect(
      failure(
        "text\tlabel\na\tno\nbb\tperhaps\n",
        DatasetColumns(task: .multiClass, labels: ["yes", "no"]))
        == "data.tsv:3:4: expected one of `yes`, `no`, found `perhaps`; "
        + "correct the value, or name all labels with --labels")
  }

  @Test("What no manifest could hold is no label")
  func impossibleLabels() {
    let task = DatasetColumns(task: .multiClass)
    #expect(
      failure("text\tlabel\na\t\n", task)
        == "data.tsv:2:3: expected a label of 1 to 1024 bytes, found none; "
        + "write the name of a label there")
    let long = String(repeating: "e\u{301}", count: 500_000)
    #expect(failure("text\tlabel\na\t\(long)\n", task).contains("found 1500000 bytes"))
    #expect(failure("text\tlabel\na\tx\u{0}y\n", task).contains("found a NUL in it"))
    #expect(
      failure("{\"text\": \"a\", \"label\": null}\n", task, name: "data.jsonl")
        .hasPrefix("data.jsonl:1:24: expected a label, found null"))
    let many = (0...4096).map { "t\t\($0)\n" }.joined()
    #expect(
      failure("text\tlabel\n" + many, task)
        .hasPrefix("data.tsv:4098:3: expected at most 4096 labels, found one more"))
  }

  @Test("A value of regression is one finite number")
  func values() throws {
    let task = DatasetColumns(task: .regression, label: "score")
    let found = try read("text\tscore\na\t-1.5e2\nb\t3\n", task)
    #expect(found.names == ["score"])
    #expect(found.rows.map(\.labels.floats) == [[-150], [3]])
    for value in ["", "nan", "inf", "1e39", "1,5", "0x", "two"] {
      #expect(
        failure("text\tscore\na\t\(value)\n", task)
          == "data.tsv:2:3: expected a number as `score`, found `\(value)`; "
          + "write a finite number there")
    }
  }

  @Test("Pairs have a label column too")
  func pairs() throws {
    let found = try read(
      "text\tother\tlabel\na\tb\tsame\n", DatasetColumns(task: .multiClass, pair: "other"))
    #expect(found.rows[0].pair == "b")
    #expect(found.names == ["same"])
  }
}
