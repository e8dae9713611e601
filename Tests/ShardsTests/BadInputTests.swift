import Foundation
import Testing

@testable import Shards

/// What is wrong with a data set is said with its place and a remedy.
@Suite struct BadInputTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// The error of reading `bytes`, with the path cut from it.
  private func error(
    _ bytes: [UInt8], _ name: String, columns: DatasetColumns = DatasetColumns()
  ) throws -> String {
    let path = folder(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let found = message {
      let reader = try DatasetReader(paths: [path], columns: columns)
      _ = try reader.countRows()
    }
    #expect(found.hasPrefix(path), "\(found)")
    return String(found.dropFirst(folder.path.count + 1))
  }

  private func error(
    _ text: String, _ name: String, columns: DatasetColumns = DatasetColumns()
  ) throws -> String {
    try error(Array(text.utf8), name, columns: columns)
  }

  struct Case: Sendable {
    var name = "d.tsv"
    var text = "id\tbody\tjoy\n1\tx\t0\n"
    var columns = DatasetColumns()
    /// After the file's name.
    let problem: String
    let remedy: String
  }

  private func check(_ expected: Case) throws {
    let found = try error(expected.text, expected.name, columns: expected.columns)
    #expect(found == "\(expected.name):\(expected.problem); \(expected.remedy)")
  }

  static let missingColumns: [Case] = [
    Case(
      problem: "1: expected a column `Tweet`, `text` or `sentence`, found \(found)",
      remedy: "name the text column with --text-column"),
    Case(
      columns: DatasetColumns(text: "Body"),
      problem: "1: expected a column `Body`, found \(found)",
      remedy: "name a column that is there with --text-column"),
    Case(
      columns: DatasetColumns(text: "body", pair: "other"),
      problem: "1: expected a column `other`, found \(found)",
      remedy: "name a column that is there with --pair-column"),
    Case(
      columns: DatasetColumns(text: "body", id: "ID"),
      problem: "1: expected a column `ID`, found \(found)",
      remedy: "name a column that is there with --id-column"),
    Case(
      columns: DatasetColumns(text: "body", labels: ["joy", "fear"]),
      problem: "1: expected a column `fear`, found \(found)",
      remedy: "name a column that is there with --labels"),
    Case(
      columns: DatasetColumns(text: "body", labels: ["joy", "joy"]),
      problem: "1: expected a column for each use, found `joy` twice",
      remedy: "name each column once"),
    Case(
      columns: DatasetColumns(text: "body", pair: "joy"),
      problem: "1: expected a column for each label, found \(found)",
      remedy: "add columns of 0 and 1, or name them with --labels"),
  ]
  static let found = "`id`, `body`, `joy`"

  @Test("A column that is missing is named, with those that are there", arguments: missingColumns)
  func missingColumn(expected: Case) throws { try check(expected) }

  static let whole = "check that the file was written whole"
  static let tabs = "separate fields by one tab each, and quote nothing"
  static let jsonLines = "write one JSON object a line, as JSON Lines has it"
  static let named = "name the label columns with --labels"

  static let malformedTables: [Case] = [
    Case(text: "", problem: " expected a header line, found an empty file", remedy: whole),
    Case(
      name: "d.csv", text: "", problem: " expected a header line, found an empty file",
      remedy: whole),
    Case(
      text: "text\ta\n", problem: " expected rows under the header, found none", remedy: whole),
    Case(text: "text\ta\nx\t1\ny\n", problem: "3: expected 2 fields, found 1", remedy: tabs),
    Case(text: "text\ta\nx\t1\t0\n", problem: "2: expected 2 fields, found 3", remedy: tabs),
    Case(
      name: "d.csv", text: "text,a\nx,1,0\n", problem: "2: expected 2 fields, found 3",
      remedy: "put fields that hold commas or line ends in quotes"),
    Case(
      name: "d.csv", text: "text,a\nx,1\n\"y,1\n",
      problem: "3:1: expected a closing quote for the one here, found the end of the file",
      remedy: "close the quote"),
    Case(
      name: "d.csv", text: "text,a\nx \"y\",1\n",
      problem: "2:3: expected no quote within a field that does not begin with one, found one",
      remedy: "put the whole field in quotes and double those within"),
    Case(
      name: "d.csv", text: "text,a\n\"x\"y,1\n",
      problem: "2:4: expected a comma or the line's end after a closing quote, found more text",
      remedy: "double the quotes within a quoted field"),
    Case(
      text: "text\ta\ta\nx\t1\t1\n",
      problem: "1:8: expected each column name once, found `a` again",
      remedy: "rename one of the columns"),
    Case(
      text: "text\t\(String(repeating: "a", count: 1025))\nx\t1\n",
      problem: "1:6: expected column names of at most 1024 bytes, found 1025 bytes",
      remedy: "check that the first line is a header"),
    Case(
      name: "d.csv", text: ",text,a\n0,x,1\n",
      problem: "1: expected a name for every label column, found none for column 1",
      remedy: "name it, or name the label columns with --labels"),
  ]

  @Test("A malformed table is an error with its place", arguments: malformedTables)
  func malformedTable(expected: Case) throws { try check(expected) }

  static let row = "{\"text\": \"x\", \"a\": 1}\n"
  static let malformedLines: [Case] = [
    Case(
      name: "d.jsonl", text: "", problem: " expected a JSON object a line, found an empty file",
      remedy: whole),
    Case(
      name: "d.jsonl", text: row + "{\"text\": \"x\" \"a\": 1}\n",
      problem: "2:14: expected `,` or `}`, found `\"`", remedy: jsonLines),
    Case(
      name: "d.jsonl", text: row + "{\"text\": 5, \"a\": 1}\n",
      problem: "2:10: expected a text as `text`, found 5", remedy: "put it in quotes"),
    Case(
      name: "d.jsonl", text: row + "{\"text\": null, \"a\": 1}\n",
      problem: "2:10: expected a text as `text`, found null",
      remedy: "write a string there"),
    Case(
      name: "d.jsonl", text: row + "{\"text\": \"y\"}\n",
      problem: "2:1: expected a label as `a`, found no such key",
      remedy: "correct it, or \(named)"),
    Case(
      name: "d.jsonl", text: row + "{\"text\": \"y\", \"a\": [1]}\n",
      problem: "2:20: expected a label as `a`, found an array",
      remedy: "correct it, or \(named)"),
    Case(
      name: "d.jsonl", text: row + "{\"text\": \"y\", \"a\": 1, \"b\": 0}\n",
      problem: "2: expected the first row's keys, `text`, `a`, found `b`",
      remedy: named),
    Case(
      name: "d.jsonl", text: "{\"text\": \"x\", \"text\": \"y\", \"a\": 1}\n",
      problem: "1:15: expected each key once, found `text` again", remedy: jsonLines),
  ]

  @Test("A malformed JSON line is an error with its place", arguments: malformedLines)
  func malformedLine(expected: Case) throws { try check(expected) }

  @Test(
    "A value that is no label is named with its line and column",
    arguments: ["2", "", " 1", "NONE", "yes", "0.5", "01", "1.00", "tru"])
  func badLabel(value: String) throws {
    #expect(
      try error("ID\ttext\tanger\tjoy\n1\tx\t0\t1\n2\ty\t1\t\(value)\n", "d.tsv")
        == "d.tsv:3:7: expected 0, 1, 0.0, 1.0, true or false as `joy`, found `\(value)`; "
        + "correct it, or name the label columns with --labels")
    #expect(
      try error(
        "text\tjoy\ny\t\(value)\n", "d.tsv", columns: DatasetColumns(labels: ["joy"])
      ).hasSuffix("found `\(value)`; correct the value"))
  }

  @Test("Bytes that are not UTF-8 are named by line, column and offset")
  func invalidUTF8() throws {
    let head = Array("text\ta\nfine é\t1\n".utf8)
    #expect(
      try error(head + Array("caf".utf8) + [0xe9] + Array("\t1\n".utf8), "d.tsv")
        == "d.tsv:3:4: expected UTF-8, found byte 0xe9 at offset \(head.count + 3) of the file; "
        + "convert the file to UTF-8, for example with iconv")
    #expect(try error([0xff, 0xfe, 0x54, 0x00], "d.csv").hasPrefix("d.csv:1:1: expected UTF-8"))
    let far = Array(("text\ta\n" + String(repeating: "row\t1\n", count: 100_000)).utf8)
    #expect(
      try error(far + [0xc3], "d.tsv").contains("found byte 0xc3 at offset \(far.count)"))
    #expect(
      try error(far + [0xc3, 0x0a], "d.tsv").contains("found byte 0xc3 at offset \(far.count)"))
  }

  @Test("A path that cannot be read, and one whose format is unknown")
  func unreadable() throws {
    let missing = folder("missing.tsv")
    #expect(
      message { _ = try DatasetReader(paths: [missing], columns: DatasetColumns()) }
        == "\(missing): expected a readable file, found No such file or directory; "
        + "check the path")
    #expect(
      message { _ = try DatasetReader(paths: [folder("x.xlsx")], columns: DatasetColumns()) }
        == "\(folder("x.xlsx")): expected an extension .tsv, .txt, .csv, .jsonl or .ndjson, "
        + "found none of them; say how the file is written with --input-format")
    let path = folder.path
    #expect(
      message { _ = try DatasetReader(paths: [path], format: .tsv, columns: DatasetColumns()) }
        == "\(path): expected a file of rows, found a folder; name the files in it")
  }

  @Test("Files whose labels differ are not one data set")
  func differingLabels() throws {
    try write("text\ta\tb\nx\t1\t0\n", to: folder("1.tsv"))
    try write("text\ta\tc\nx\t1\t0\n", to: folder("2.tsv"))
    let paths = [folder("1.tsv"), folder("2.tsv")]
    #expect(
      message { _ = try DatasetReader(paths: paths, columns: DatasetColumns()) }
        == "\(paths[1]):1: expected the labels of \(paths[0]), `a`, `b`, found `a`, `c`; "
        + "name the label columns with --labels")
  }
}
