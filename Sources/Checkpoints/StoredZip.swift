import Manifests

/// The members of a zip file that holds them as they are, without compression, checked completely.
///
/// The format as `torch.save` writes it: members, central directory, its end (and the 64-bit end
/// before that), nothing behind. Names are only compared, never used as paths. CRCs are not compared,
/// as PyTorch does not either: it may write files without them.
/// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
struct StoredZip {
  struct Member: Equatable {
    let name: String
    /// Its content, from the start of the file.
    let bytes: Range<Int>
  }

  /// The largest central directory that is read: of some 100,000 members.
  static let directoryByteLimit = 8 << 20

  /// In the order of the file.
  let members: [Member]

  /// - Throws: ``CheckpointError`` when a member is compressed, encrypted, overlaps another or leaves
  ///   the file, or when what is said twice differs.
  init(_ file: borrowing OpenFile) throws {
    let directory = try ZipDirectory(file)
    var records = ZipBytes(
      try readBytes(file, at: directory.bytes.lowerBound, count: directory.bytes.count),
      place: "\(file.path): zip directory")
    var found: [(start: Int, member: Member)] = []
    for _ in 0..<directory.count {
      let record = try DirectoryRecord(&records)
      found.append((record.start, try record.locate(file, before: directory.bytes.lowerBound)))
    }
    guard records.rest == 0 else {
      throw damaged(
        records.place, "\(directory.count) members", "\(records.rest) bytes behind them")
    }
    found.sort { ($0.start, $0.member.bytes.upperBound) < ($1.start, $1.member.bytes.upperBound) }
    var names: Set<[UInt8]> = []
    var end = 0
    for (start, member) in found {
      let place = "\(file.path): zip member \(quoted(member.name))"
      guard names.insert(Array(member.name.utf8)).inserted else {
        throw damaged(place, "each member once", "it twice")
      }
      guard start >= end else {
        throw damaged(place, "to begin at byte \(end) or later", "an overlap: byte \(start)")
      }
      end = member.bytes.upperBound
    }
    members = found.map(\.member)
  }
}

/// Where the central directory lies, from the end of the file.
private struct ZipDirectory {
  let bytes: Range<Int>
  let count: Int

  init(_ file: borrowing OpenFile) throws {
    let size = Int(file.size)
    let place = "\(file.path): end of the zip directory"
    guard size >= 22 else {
      throw damaged(place, "22 bytes", "a file of \(size)", remedy: "use another copy of the file")
    }
    var end = ZipBytes(try readBytes(file, at: size - 22, count: 22), place: place)
    try end.expect(0x0605_4b50)
    let disks = [try end.number(2), try end.number(2)]
    var (onDisk, count) = (try end.number(2), try end.number(2))
    var (length, start) = (try end.number(4), try end.number(4))
    guard disks == [0, 0], try end.number(2) == 0 else {
      throw damaged(place, "one file without a comment", "another kind of zip file")
    }
    var directoryEnd = size - 22
    if size >= 22 + 20 + 56, try Self.hasLocator(file, at: size - 42) {
      let wide = try WideEnd(file, locatorAt: size - 42)
      for (narrow, value, limit) in [
        (onDisk, wide.count, 0xffff), (count, wide.count, 0xffff),
        (length, wide.length, 0xffff_ffff), (start, wide.start, 0xffff_ffff),
      ] where narrow != value && narrow != limit {
        throw damaged(place, "\(value), as the 64-bit end says", "\(narrow)")
      }
      (onDisk, count, length, start) = (wide.count, wide.count, wide.length, wide.start)
      directoryEnd = size - 42 - 56
    }
    guard onDisk == count, start <= directoryEnd, length == directoryEnd - start else {
      throw damaged(
        place, "a directory that ends at byte \(directoryEnd)",
        "one of \(length) bytes from byte \(start), \(onDisk) of \(count) members",
        remedy: "the file is cut short or damaged: use another copy of it")
    }
    guard length <= StoredZip.directoryByteLimit, count <= length / 46 else {
      throw damaged(
        place, "a directory of at most \(StoredZip.directoryByteLimit) bytes",
        "\(count) members in \(length) bytes")
    }
    bytes = start..<directoryEnd
    self.count = count
  }

  private static func hasLocator(_ file: borrowing OpenFile, at offset: Int) throws -> Bool {
    try readBytes(file, at: offset, count: 4) == [0x50, 0x4b, 6, 7]
  }
}

/// The 64-bit end of the directory, which must lie right before its locator.
private struct WideEnd {
  let count: Int
  let length: Int
  let start: Int

  init(_ file: borrowing OpenFile, locatorAt locatorStart: Int) throws {
    let place = "\(file.path): 64-bit end of the zip directory"
    var locator = ZipBytes(try readBytes(file, at: locatorStart, count: 20), place: place)
    try locator.expect(0x0706_4b50)
    let disk = try locator.number(4)
    guard disk == 0, try locator.number(8) == locatorStart - 56 else {
      throw damaged(place, "at byte \(locatorStart - 56)", "another place")
    }
    var end = ZipBytes(try readBytes(file, at: locatorStart - 56, count: 56), place: place)
    try end.expect(0x0606_4b50)
    guard try end.number(8) == 44 else { throw damaged(place, "44 bytes", "another size") }
    try end.skip(4)
    let disks = [try end.number(4), try end.number(4)]
    let counts = [try end.number(8), try end.number(8)]
    guard disks == [0, 0], counts[0] == counts[1] else {
      throw damaged(place, "one file", "\(counts[0]) of \(counts[1]) members")
    }
    count = counts[1]
    length = try end.number(8)
    start = try end.number(8)
  }
}

/// What the central directory says of a member.
private struct DirectoryRecord {
  let name: String
  /// Where the member's own header begins.
  let start: Int

  private let flags: Int
  private let size: Int

  init(_ records: inout ZipBytes) throws {
    try records.expect(0x0201_4b50)
    try records.skip(4)
    flags = try records.number(2)
    let method = try records.number(2)
    try records.skip(8)
    let packed = try records.number(4)
    let size = try records.number(4)
    let lengths = try (0..<3).map { _ in try records.number(2) }
    let disk = try records.number(2)
    try records.skip(6)
    let start = try records.number(4)
    name = try records.name(lengths[0])
    let place = "\(records.place): member \(quoted(name))"
    var wide = [size, packed, start].map { $0 == 0xffff_ffff ? nil : $0 }
    var fields = ZipBytes(try records.take(lengths[1]), place: place)
    while fields.rest > 0 {
      let (kind, length) = (try fields.number(2), try fields.number(2))
      var field = ZipBytes(try fields.take(length), place: place)
      guard kind == 1 else { continue }
      for index in wide.indices where wide[index] == nil && field.rest > 0 {
        wide[index] = try field.number(8)
      }
    }
    try records.skip(lengths[2])
    guard let size = wide[0], let packed = wide[1], let start = wide[2], disk == 0 else {
      throw damaged(place, "a size and a place", "none")
    }
    guard method == 0, packed == size, flags & 1 == 0 else {
      throw damaged(
        place, "stored as it is", flags & 1 == 0 ? "compressed (method \(method))" : "encrypted",
        remedy: "write the file with torch.save, which does not compress")
    }
    self.size = size
    self.start = start
  }

  /// Reads the member's own header, which must say the same.
  /// - Parameter end: where members must end.
  func locate(_ file: borrowing OpenFile, before end: Int) throws -> StoredZip.Member {
    let place = "\(file.path): zip member \(quoted(name))"
    let nameBytes = Array(name.utf8)
    guard start <= end, end - start >= 30 + nameBytes.count else {
      throw damaged(place, "before byte \(end)", "at byte \(start)")
    }
    var header = ZipBytes(
      try readBytes(file, at: start, count: 30 + nameBytes.count), place: place)
    try header.expect(0x0403_4b50)
    try header.skip(2)
    let (flags, method) = (try header.number(2), try header.number(2))
    try header.skip(8)
    let sizes = [try header.number(4), try header.number(4)]
    let (nameLength, extraLength) = (try header.number(2), try header.number(2))
    // Where bit 3 is set the sizes stand behind the content; 0xffffffff means a 64-bit field.
    let isDeferred = flags & 8 != 0
    guard flags == self.flags, method == 0, nameLength == nameBytes.count,
      try header.take(nameLength) == nameBytes,
      sizes.allSatisfy({ $0 == size || $0 == 0xffff_ffff || (isDeferred && $0 == 0) })
    else { throw damaged(place, "a header that agrees with the directory", "another one") }
    let contentStart = start + 30 + nameLength + extraLength
    guard contentStart <= end, size <= end - contentStart else {
      throw damaged(
        place, "\(size) bytes before byte \(end)", "a start at byte \(contentStart)",
        remedy: "the file is cut short or damaged: use another copy of it")
    }
    return StoredZip.Member(name: name, bytes: contentStart..<contentStart + size)
  }
}

/// Bytes of a zip file that are read from front to back; numbers have their lowest byte first.
private struct ZipBytes {
  let place: String
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8], place: String) {
    self.bytes = bytes
    self.place = place
  }

  var rest: Int { bytes.count - position }

  mutating func take(_ count: Int) throws -> [UInt8] {
    guard count <= rest else { throw damaged(place, "\(count) bytes", "\(rest) bytes") }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  mutating func skip(_ count: Int) throws { _ = try take(count) }

  /// A number of at most 63 bits.
  mutating func number(_ byteCount: Int) throws -> Int {
    let value = try take(byteCount).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard let number = Int(exactly: value) else {
      throw damaged(place, "a number under 2^63", "\(value)")
    }
    return number
  }

  mutating func expect(_ signature: Int) throws {
    let found = try number(4)
    guard found == signature else {
      throw damaged(
        place, "the signature 0x\(String(signature, radix: 16))",
        "0x\(String(found, radix: 16))",
        remedy: "this is no zip file, or it is cut short: use another copy of it")
    }
  }

  mutating func name(_ byteCount: Int) throws -> String {
    let bytes = try take(byteCount)
    guard byteCount <= JSONReader.nameByteLimit,
      let name = String(validating: bytes, as: UTF8.self)
    else {
      throw damaged(
        place, "a name of at most \(JSONReader.nameByteLimit) bytes of UTF-8",
        "\(byteCount) bytes")
    }
    return name
  }
}

/// Bytes that must be there.
func readBytes(_ file: borrowing OpenFile, at offset: Int, count: Int) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  let done = try bytes.withUnsafeMutableBytes { try file.read(at: Int64(offset), into: $0) }
  guard done == count else {
    throw damaged(
      "\(file.path): byte \(offset)", "\(count) bytes", "\(done) before the end of the file")
  }
  return bytes
}
