import Foundation
import Testing

@testable import Shards

@Suite struct DatasetReaderTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func rows(
    _ text: String, _ name: String = "data.tsv", columns: DatasetColumns = DatasetColumns()
  ) throws -> [DatasetRow] {
    let path = folder(name)
    try write(text, to: path)
    return try rows([path], columns: columns)
  }

  private func rows(_ paths: [String], columns: DatasetColumns) throws -> [DatasetRow] {
    let reader = try DatasetReader(paths: paths, columns: columns)
    let count = try reader.countRows()
    var rows: [DatasetRow] = []
    try reader.forEachRow { rows.append($0) }
    #expect(rows.count == count)
    return rows
  }

  @Test("SemEval's form: tabs, no quoting, labels after ID and Tweet")
  func tabSeparated() throws {
    let found = try rows("ID\tTweet\tanger\tjoy\nx-1\tI said \"no\", twice\t1\t0\nx-2\t\t0\t1\n")
    #expect(
      found == [
        DatasetRow(
          place: "\(folder("data.tsv")):2", id: "x-1", text: "I said \"no\", twice", pair: nil,
          labels: RowLabels(.multiLabel, [Float(1), 0])),
        DatasetRow(
          place: "\(folder("data.tsv")):3", id: "x-2", text: "", pair: nil,
          labels: RowLabels(.multiLabel, [Float(0), 1])),
      ])
  }

  @Test("A byte order mark, CR LF, blank lines and a missing last line end change nothing")
  func lineEnds() throws {
    let plain = try rows("text\ta\nfirst\t1\nsecond\t0\n")
    let marked = try rows("\u{feff}text\ta\r\nfirst\t1\r\n\r\nsecond\t0")
    #expect(plain.map(\.text) == ["first", "second"])
    #expect(marked.map(\.text) == plain.map(\.text))
    #expect(marked.map(\.labels) == plain.map(\.labels))
    #expect(marked.map(\.id) == ["0", "1"])
    #expect(marked[1].place.hasSuffix(":4"))
    let comma = try rows("\u{feff}text,a\r\nfirst,1\r\n\r\nsecond,0", "data.csv")
    #expect(comma.map(\.text) == plain.map(\.text))
  }

  @Test("RFC 4180: quoted commas, line ends and doubled quotes")
  func commaSeparated() throws {
    let found = try rows(
      "id,text,a,b\r\n7,\"one, \"\"two\"\"\r\nthree\",1,0\r\n8,plain,\"0\",TRUE\r\n9,\"\",0,0\r\n",
      "data.csv")
    #expect(found.map(\.text) == ["one, \"two\"\r\nthree", "plain", ""])
    #expect(found.map(\.id) == ["7", "8", "9"])
    #expect(found.map(\.labels.floats) == [[1, 0], [0, 1], [0, 0]])
    #expect(found.map { $0.place.split(separator: ":").last } == ["2", "4", "5"])
  }

  @Test("JSON Lines: keys in any order, escapes, numbers, booleans and strings as labels")
  func jsonLines() throws {
    let found = try rows(
      """
      {"id": 12, "sentence": "a \\"b\\" \\u00e9\\ud83d\\ude42\\n", "x": 1, "y": true}

      {"y": "0", "x": 0.0, "sentence": "", "id": "z"}
      """, "data.jsonl")
    #expect(found.map(\.text) == ["a \"b\" é🙂\n", ""])
    #expect(found.map(\.id) == ["12", "z"])
    #expect(found.map(\.labels.floats) == [[1, 1], [0, 0]])
    #expect(found.map { $0.place.split(separator: ":").last } == ["1", "3"])
  }

  @Test("Every spelling of a label is read, in any case")
  func labelSpellings() throws {
    for (spelling, value) in [
      ("0", 0), ("1", 1), ("0.0", 0), ("1.0", 1), ("true", 1), ("FALSE", 0), ("True", 1),
      ("false", 0), ("tRuE", 1),
    ] as [(String, Float)] {
      #expect(try rows("text\ta\nx\t\(spelling)\n")[0].labels.floats == [value])
    }
  }

  @Test("Labels by name come in the order named, and other columns are left alone")
  func namedLabels() throws {
    let found = try rows(
      "source\ttext\ta\tscore\tb\nweb\thello\t1\t0.73\t0\n",
      columns: DatasetColumns(labels: ["b", "a"]))
    #expect(found[0].labels.floats == [0, 1])
  }

  @Test("Text, pair and id columns by name")
  func namedColumns() throws {
    let found = try rows(
      "key\tpremise\thypothesis\tyes\nk1\tp\th\t1\n",
      columns: DatasetColumns(text: "premise", pair: "hypothesis", id: "key"))
    #expect(
      found[0]
        == DatasetRow(
          place: "\(folder("data.tsv")):2", id: "k1", text: "p", pair: "h",
          labels: RowLabels(.multiLabel, [Float(1)])))
  }

  @Test("Several files of several formats are one data set, labels matched by name")
  func severalFiles() throws {
    try write("text\ta\tb\none\t1\t0\n", to: folder("1.tsv"))
    try write("b,a,text\n1,0,two\n", to: folder("2.csv"))
    try write("{\"text\": \"three\", \"b\": 1, \"a\": 1}\n", to: folder("3.ndjson"))
    let paths = ["1.tsv", "2.csv", "3.ndjson"].map { folder($0) }
    let reader = try DatasetReader(paths: paths, columns: DatasetColumns())
    #expect(reader.labelNames == ["a", "b"])
    let found = try rows(paths, columns: DatasetColumns())
    #expect(found.map(\.text) == ["one", "two", "three"])
    #expect(found.map(\.labels.floats) == [[1, 0], [0, 1], [1, 1]])
    #expect(found.map(\.id) == ["0", "1", "2"])
  }

  @Test("A text of 10,000 words, and one longer than any buffer, come whole")
  func longTexts() throws {
    let words = Array(repeating: "word", count: 10_000).joined(separator: " ")
    let long = String(repeating: "naïve ", count: 200_000)
    let found = try rows("text\ta\n\(words)\t1\n\(long)\t0\n")
    #expect(found[0].text == words)
    #expect(found[1].text == long)
  }

  @Test("A pipe is read as often as needed")
  func pipe() throws {
    let path = folder("pipe.tsv")
    #expect(mkfifo(path, 0o600) == 0)
    let writer = Thread {
      try? write("text\ta\n" + String(repeating: "row\t1\n", count: 50_000), to: path)
    }
    writer.start()
    #expect(try rows([path], columns: DatasetColumns()).count == 50_000)
  }
}
