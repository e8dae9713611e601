/// Reads the fields of a Protocol Buffers message one by one, never beyond its bytes. What they mean
/// is the caller's; fields that it does not ask about are passed over.
struct ProtobufReader {
  struct Field {
    var number: Int
    fileprivate var content: Content
  }

  fileprivate enum Content {
    case integer(UInt64)
    case fixed32(UInt32)
    case fixed64
    case bytes(Range<Int>)
  }

  let path: String
  private let file: [UInt8]
  private var position: Int
  private let end: Int

  init(bytes: [UInt8], path: String) {
    self.init(file: bytes, range: 0..<bytes.count, path: path)
  }

  private init(file: [UInt8], range: Range<Int>, path: String) {
    self.file = file
    self.path = path
    position = range.lowerBound
    end = range.upperBound
  }

  /// The next field, nil at the end of the message.
  mutating func next() throws -> Field? {
    if position == end { return nil }
    let key = try varint()
    let number = key >> 3
    guard (1..<UInt64(1 << 29)).contains(number) else {
      throw failure(expected: "a field number", found: "\(number)")
    }
    return Field(number: Int(number), content: try content(wireType: key & 7))
  }

  private mutating func content(wireType: UInt64) throws -> Content {
    switch wireType {
    case 0: return .integer(try varint())
    case 1:
      _ = try take(8)
      return .fixed64
    case 2: return .bytes(try take(try varint()))
    case 5:
      let start = try take(4).lowerBound
      return .fixed32((0..<4).reduce(0) { $0 | UInt32(file[start + $1]) << (8 * UInt32($1)) })
    default: throw failure(expected: "a wire type 0, 1, 2 or 5", found: "\(wireType)")
    }
  }

  private mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    for shift: UInt64 in stride(from: 0, to: 70, by: 7) {
      guard position < end else { throw failure(expected: "an integer", found: "the end") }
      let byte = file[position]
      position += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw failure(expected: "an integer of at most 10 bytes", found: "a longer one")
  }

  private mutating func take(_ count: UInt64) throws -> Range<Int> {
    guard count <= UInt64(end - position) else {
      throw failure(expected: "\(count) bytes more", found: "\(end - position)")
    }
    defer { position += Int(count) }
    return position..<position + Int(count)
  }

  func message(_ field: Field) throws -> ProtobufReader {
    ProtobufReader(file: file, range: try range(field), path: path)
  }

  func bytes(_ field: Field) throws -> [UInt8] { Array(file[try range(field)]) }

  func string(_ field: Field) throws -> String {
    if let string = String(validating: file[try range(field)], as: UTF8.self) { return string }
    throw failure(expected: "UTF-8 in field \(field.number)", found: "bytes that are not")
  }

  func float(_ field: Field) throws -> Float {
    if case .fixed32(let bits) = field.content { return Float(bitPattern: bits) }
    throw failure(expected: "a float in field \(field.number)", found: "another type")
  }

  func integer(_ field: Field) throws -> Int {
    if case .integer(let value) = field.content, let integer = Int(exactly: value) {
      return integer
    }
    throw failure(expected: "an integer in field \(field.number)", found: "another type")
  }

  private func range(_ field: Field) throws -> Range<Int> {
    if case .bytes(let range) = field.content { return range }
    throw failure(expected: "bytes in field \(field.number)", found: "another type")
  }

  func failure(expected: String, found: String) -> TokenizerError {
    TokenizerError(
      place: "\(path), byte \(position)", expected: expected, found: found,
      remedy: "take the model as it was published")
  }
}
