import Manifests

/// JSON Lines: an object a line, whose keys are the columns.
///
/// The first row's keys, in their order, are the columns. A later row may have its keys in any
/// order. Empty lines are passed over.
struct JSONLinesReader: RecordReader {
  private(set) var columns: [String] = []
  private let file: InputFile
  private var positions: [String: Int] = [:]
  private var line: [UInt8] = []

  init(_ file: InputFile) throws {
    self.file = file
    guard try readLine() else { throw emptyFile(file, "a JSON object a line") }
    var names: [String] = []
    try readObject { key, json in
      names.append(key)
      try json.skipValue()
    }
    columns = names
    for (index, name) in names.enumerated() { positions[name] = index }
    try file.rewind()
  }

  mutating func next(_ record: inout Record) throws -> Bool {
    record.removeAll()
    guard try readLine() else { return false }
    record.line = file.line
    let absent = Record.Field(
      range: 0..<0, line: file.line, column: 1, kind: .unusable("no such key"))
    record.fields += repeatElement(absent, count: columns.count)
    let (line, positions) = (line, positions)
    try readObject { key, json in
      guard let index = positions[key] else {
        record.unknownKey = record.unknownKey ?? key
        return try json.skipValue()
      }
      record.fields[index] = try Self.readField(
        &json, line, lineNumber: record.line, appendingTo: &record.bytes)
    }
    return true
  }

  private static func readField(
    _ json: inout JSONReader, _ line: [UInt8], lineNumber: Int, appendingTo bytes: inout [UInt8]
  ) throws -> Record.Field {
    var start = json.position
    while start < line.count, [0x20, 0x09, 0x0d].contains(line[start]) { start += 1 }
    let first = start < line.count ? line[start] : 0
    let begin = bytes.count
    var kind = Record.Field.Kind.text
    switch first {
    case UInt8(ascii: "\""): bytes += try json.readString().utf8
    default:
      try json.skipValue()
      switch first {
      case UInt8(ascii: "n"): kind = .unusable("null")
      case UInt8(ascii: "["): kind = .unusable("an array")
      case UInt8(ascii: "{"): kind = .unusable("an object")
      default:
        kind = .literal
        bytes += line[start..<json.position]
      }
    }
    return Record.Field(
      range: begin..<bytes.count, line: lineNumber, column: start + 1, kind: kind)
  }

  /// Reads the next line that is not blank.
  private mutating func readLine() throws -> Bool {
    repeat {
      line.removeAll(keepingCapacity: true)
      guard try file.readLine(appendingTo: &line) else { return false }
    } while line.allSatisfy { [0x20, 0x09, 0x0d].contains($0) }
    return true
  }

  private func readObject(
    _ member: (String, inout JSONReader) throws -> Void
  ) throws {
    do {
      var json = JSONReader(line)
      try json.readObject(member)
      try json.readEnd()
    } catch let defect as JSONReader.Defect {
      throw ShardsError(
        place: "\(file.name):\(file.line):\(defect.offset + 1)", expected: defect.expected,
        found: defect.found, remedy: "write one JSON object a line, as JSON Lines has it")
    }
  }
}
