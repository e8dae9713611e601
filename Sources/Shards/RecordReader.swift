import Manifests

/// One row of a table, as it stood in the file: its fields' bytes behind one another.
///
/// A reader fills the same record again and again, so that rows cost no allocation each.
struct Record {
  struct Field {
    enum Kind: Equatable {
      case text
      /// JSON's numbers, true and false, by their spelling.
      case literal
      /// What cannot be a text or a label: null, an array, an object, or a key that is absent.
      case unusable(String)
    }
    /// Where its bytes are.
    var range: Range<Int>
    /// Where it begins in the file, from 1; the column counts bytes.
    var line: Int
    var column: Int
    var kind = Kind.text
  }

  /// The line that the row begins on, from 1.
  var line = 0
  var bytes: [UInt8] = []
  var fields: [Field] = []
  /// A key of this row that the first row does not have (JSON Lines only).
  var unknownKey: String?

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    fields.removeAll(keepingCapacity: true)
    unknownKey = nil
  }

  /// The text of a field. The bytes are UTF-8: they were checked when they were read.
  func text(_ index: Int) -> String {
    String(decoding: bytes[fields[index].range], as: UTF8.self)
  }
}

/// Reads a file of rows from front to back.
protocol RecordReader {
  /// The columns' names, in the order of every record's fields.
  var columns: [String] { get }
  /// Fills `record` with the next row; false at the end of the file.
  mutating func next(_ record: inout Record) throws -> Bool
}

/// How rows are written in a file.
package enum DatasetFormat: String, CaseIterable, Sendable {
  /// Fields between tabs, a row a line, no quoting: a `"` is text.
  case tsv
  /// RFC 4180: fields between commas; quoted ones may hold commas, line ends and doubled quotes.
  case csv
  /// JSON Lines: an object a line.
  case jsonl

  /// The format that a file's extension names.
  package init?(path: String) {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return nil }
    switch name[name.index(after: dot)...].lowercased() {
    case "tsv", "tab", "txt": self = .tsv
    case "csv": self = .csv
    case "jsonl", "ndjson": self = .jsonl
    default: return nil
    }
  }

  /// A reader from the file's first row on.
  func reader(of file: InputFile) throws -> any RecordReader {
    try file.rewind()
    return switch self {
    case .tsv: try TabSeparatedReader(file)
    case .csv: try CommaSeparatedReader(file)
    case .jsonl: try JSONLinesReader(file)
    }
  }
}

/// The names in a header line; each must differ from the others, and none may be longer than a
/// name in a manifest.
func columnNames(of header: Record, in file: InputFile) throws -> [String] {
  for field in header.fields where field.range.count > JSONReader.nameByteLimit {
    throw ShardsError(
      place: "\(file.name):\(field.line):\(field.column)",
      expected: "column names of at most \(JSONReader.nameByteLimit) bytes",
      found: "\(field.range.count) bytes", remedy: "check that the first line is a header")
  }
  let names = header.fields.indices.map { header.text($0) }
  var seen: Set<String> = []
  for (index, name) in names.enumerated() where !seen.insert(name).inserted {
    let field = header.fields[index]
    throw ShardsError(
      place: "\(file.name):\(field.line):\(field.column)", expected: "each column name once",
      found: "\(quoted(name)) again", remedy: "rename one of the columns")
  }
  return names
}

func emptyFile(_ file: InputFile, _ expected: String) -> ShardsError {
  ShardsError(
    place: file.name, expected: expected, found: "an empty file",
    remedy: "check that the file was written whole")
}
