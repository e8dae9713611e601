/// Tab-separated rows under a header line.
///
/// Nothing is quoted and nothing escaped, as in SemEval's files. A line may end in CR LF. Lines
/// without a byte are passed over where a table has more than one column.
struct TabSeparatedReader: RecordReader {
  let columns: [String]
  private let file: InputFile

  init(_ file: InputFile) throws {
    self.file = file
    var header = Record()
    guard try Self.readRow(file, &header) else { throw emptyFile(file, "a header line") }
    columns = try columnNames(of: header, in: file)
  }

  mutating func next(_ record: inout Record) throws -> Bool {
    repeat {
      guard try Self.readRow(file, &record) else { return false }
    } while record.bytes.isEmpty && columns.count > 1
    guard record.fields.count == columns.count else {
      throw ShardsError(
        place: "\(file.name):\(record.line)", expected: "\(columns.count) fields",
        found: "\(record.fields.count)",
        remedy: "separate fields by one tab each, and quote nothing")
    }
    return true
  }

  private static func readRow(_ file: InputFile, _ record: inout Record) throws -> Bool {
    record.removeAll()
    guard try file.readLine(appendingTo: &record.bytes) else { return false }
    if record.bytes.last == UInt8(ascii: "\r") { record.bytes.removeLast() }
    record.line = file.line
    var start = 0
    for index in 0...record.bytes.count
    where index == record.bytes.count || record.bytes[index] == UInt8(ascii: "\t") {
      record.fields.append(
        Record.Field(range: start..<index, line: file.line, column: start + 1))
      start = index + 1
    }
    return true
  }
}
