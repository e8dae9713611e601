/// Comma-separated rows under a header line, as RFC 4180 has them.
///
/// Fields in quotes may hold commas, line ends (kept as they are) and doubled quotes. Rows end in
/// LF or CR LF. Lines without a byte are passed over where a table has more than one column.
struct CommaSeparatedReader: RecordReader {
  let columns: [String]
  private let file: InputFile
  /// The line that is being parsed.
  private var raw: [UInt8] = []

  init(_ file: InputFile) throws {
    self.file = file
    var header = Record()
    var raw: [UInt8] = []
    guard try Self.readRow(file, &raw, &header) else { throw emptyFile(file, "a header line") }
    columns = try columnNames(of: header, in: file)
  }

  mutating func next(_ record: inout Record) throws -> Bool {
    repeat {
      guard try Self.readRow(file, &raw, &record) else { return false }
    } while (raw.isEmpty || raw == [UInt8(ascii: "\r")]) && columns.count > 1
    guard record.fields.count == columns.count else {
      throw ShardsError(
        place: "\(file.name):\(record.line)", expected: "\(columns.count) fields",
        found: "\(record.fields.count)",
        remedy: "put fields that hold commas or line ends in quotes")
    }
    return true
  }

  /// Reads one row, which may take several lines. `raw` is left with the last of them.
  private static func readRow(
    _ file: InputFile, _ raw: inout [UInt8], _ record: inout Record
  ) throws -> Bool {
    record.removeAll()
    guard try readLine(file, &raw) else { return false }
    record.line = file.line
    var index = 0
    while true {
      let start = record.bytes.count
      var field = Record.Field(range: start..<start, line: file.line, column: index + 1)
      if index < raw.count, raw[index] == UInt8(ascii: "\"") {
        try readQuoted(file, &raw, &index, &record, field)
      } else {
        try readPlain(file, raw, &index, &record)
      }
      field.range = start..<record.bytes.count
      record.fields.append(field)
      guard index < raw.count, raw[index] == UInt8(ascii: ",") else { return true }
      index += 1
    }
  }

  /// Reads up to the next comma or the line's end.
  private static func readPlain(
    _ file: InputFile, _ raw: [UInt8], _ index: inout Int, _ record: inout Record
  ) throws {
    let start = index
    while index < raw.count, raw[index] != UInt8(ascii: ",") {
      guard raw[index] != UInt8(ascii: "\"") else {
        throw ShardsError(
          place: "\(file.name):\(file.line):\(index + 1)",
          expected: "no quote within a field that does not begin with one", found: "one",
          remedy: "put the whole field in quotes and double those within")
      }
      index += 1
    }
    let end = index == raw.count && raw.last == UInt8(ascii: "\r") ? max(start, index - 1) : index
    record.bytes += raw[start..<end]
  }

  /// Reads from an opening quote to the byte after the closing one.
  private static func readQuoted(
    _ file: InputFile, _ raw: inout [UInt8], _ index: inout Int, _ record: inout Record,
    _ field: Record.Field
  ) throws {
    index += 1
    while true {
      if index == raw.count {
        record.bytes.append(UInt8(ascii: "\n"))
        guard record.bytes.count <= InputFile.maximumRowBytes else {
          throw file.tooLong(line: field.line)
        }
        guard try readLine(file, &raw) else {
          throw ShardsError(
            place: "\(file.name):\(field.line):\(field.column)",
            expected: "a closing quote for the one here", found: "the end of the file",
            remedy: "close the quote")
        }
        index = 0
      } else if raw[index] != UInt8(ascii: "\"") {
        record.bytes.append(raw[index])
        index += 1
      } else if index + 1 < raw.count, raw[index + 1] == UInt8(ascii: "\"") {
        record.bytes.append(UInt8(ascii: "\""))
        index += 2
      } else {
        index += 1
        break
      }
    }
    let isLast = index == raw.count || (index == raw.count - 1 && raw[index] == UInt8(ascii: "\r"))
    guard isLast || raw[index] == UInt8(ascii: ",") else {
      throw ShardsError(
        place: "\(file.name):\(file.line):\(index + 1)",
        expected: "a comma or the line's end after a closing quote", found: "more text",
        remedy: "double the quotes within a quoted field")
    }
  }

  private static func readLine(_ file: InputFile, _ raw: inout [UInt8]) throws -> Bool {
    raw.removeAll(keepingCapacity: true)
    return try file.readLine(appendingTo: &raw)
  }
}
