import CHDF5

/// Attributes of the root group: text of fixed length and whole numbers.
extension File {
  /// Attributes are small; a damaged file must not make us allocate more.
  private static let maximumAttributeBytes = 1 << 24

  package func writeAttribute(_ name: String, _ value: Int64) throws(HDF5Error) {
    try writeAttribute(name, type: Int64.fileType, count: nil) { attribute in
      withUnsafePointer(to: value) { H5Awrite(attribute, lockstep_native_int64(), $0) }
    }
  }

  /// UTF-8 in exactly as many bytes as `value` has (at least one), padded with NUL.
  package func writeAttribute(_ name: String, _ value: String) throws(HDF5Error) {
    try writeText(name, [value], count: nil)
  }

  /// An array of UTF-8 texts, each in as many bytes as the longest has, padded with NUL. A NUL
  /// within a text is a programmer's error.
  package func writeAttribute(_ name: String, _ values: [String]) throws(HDF5Error) {
    try writeText(name, values, count: values.count)
  }

  private func writeText(
    _ name: String, _ values: [String], count: Int?
  ) throws(HDF5Error) {
    precondition(!values.contains { $0.utf8.contains(0) }, "text with NUL in \(name)")
    let width = max(1, values.map(\.utf8.count).max() ?? 1)
    var bytes: [UInt8] = []
    for value in values {
      bytes += value.utf8
      bytes += repeatElement(0, count: width - value.utf8.count)
    }
    let type = Handle(
      try check(path, "a text type") { lockstep_string_type(width) }, closer: H5Tclose)
    let typeID = type.id
    try writeAttribute(name, type: typeID, count: count) { H5Awrite($0, typeID, bytes) }
  }

  private func writeAttribute(
    _ name: String, type: hid_t, count: Int?, _ write: (hid_t) -> herr_t
  ) throws(HDF5Error) {
    let place = "\(path) attribute \(name)"
    let id = handle.id
    let space = Handle(
      try check(place, "a shape") {
        guard let count else { return H5Screate(H5S_SCALAR) }
        return H5Screate_simple(1, [hsize_t(count)], nil)
      }, closer: H5Sclose)
    let spaceID = space.id
    let attribute = Handle(
      try check(place, "a new attribute") {
        H5Acreate2(id, name, type, spaceID, lockstep_default(), lockstep_default())
      }, closer: H5Aclose)
    let attributeID = attribute.id
    _ = try check(place, "a write", remedy: "check the disk's free space") {
      write(attributeID)
    }
  }

  /// A whole number, or nil when the file has no such attribute.
  package func integerAttribute(_ name: String) throws(HDF5Error) -> Int64? {
    guard let attribute = try openAttribute(name) else { return nil }
    let id = attribute.handle.id
    guard attribute.datatype.isInteger, attribute.count == 1 else {
      throw attribute.mismatch("a whole number")
    }
    var value: Int64 = 0
    _ = try check(attribute.place, "a readable attribute") {
      H5Aread(id, lockstep_native_int64(), &value)
    }
    return value
  }

  /// One text, or nil when the file has no such attribute.
  package func stringAttribute(_ name: String) throws(HDF5Error) -> String? {
    guard let texts = try stringsAttribute(name) else { return nil }
    guard texts.count == 1 else {
      throw HDF5Error(
        place: "\(path) attribute \(name)", expected: "one text", found: "\(texts.count)",
        remedy: "write the file again")
    }
    return texts[0]
  }

  /// Texts without their padding, or nil when the file has no such attribute.
  package func stringsAttribute(_ name: String) throws(HDF5Error) -> [String]? {
    guard let attribute = try openAttribute(name) else { return nil }
    guard case .string(let width) = attribute.datatype, width > 0 else {
      throw attribute.mismatch("text of fixed length")
    }
    let (bytes, overflow) = attribute.count.multipliedReportingOverflow(by: width)
    guard !overflow, bytes <= File.maximumAttributeBytes else {
      throw attribute.mismatch("at most \(File.maximumAttributeBytes) bytes of text")
    }
    let id = attribute.handle.id
    let type = Handle(
      try check(attribute.place, "a type") { H5Aget_type(id) }, closer: H5Tclose)
    let typeID = type.id
    // Read in the file's own type: converted text would be cut or padded by the library.
    var content = [UInt8](repeating: 0, count: bytes)
    _ = try check(attribute.place, "a readable attribute") { H5Aread(id, typeID, &content) }
    return try (0..<attribute.count).map { index throws(HDF5Error) in
      let text = content[index * width..<(index + 1) * width].prefix { $0 != 0 }
      guard let text = String(validating: text, as: UTF8.self) else {
        throw attribute.mismatch("UTF-8")
      }
      return text
    }
  }

  private func openAttribute(_ name: String) throws(HDF5Error) -> Attribute? {
    let place = "\(path) attribute \(name)"
    let id = handle.id
    guard try check(place, "a readable attribute", { H5Aexists(id, name) }) > 0 else {
      return nil
    }
    return try Attribute(name, in: id, place)
  }
}

/// An open attribute of fixed-length elements.
private struct Attribute: ~Copyable {
  let handle: Handle
  let place: String
  let datatype: Datatype
  let count: Int

  init(_ name: String, in location: hid_t, _ place: String) throws(HDF5Error) {
    let attribute = Handle(
      try check(place, "a readable attribute") { H5Aopen(location, name, lockstep_default()) },
      closer: H5Aclose)
    let id = attribute.id
    let type = Handle(try check(place, "a type") { H5Aget_type(id) }, closer: H5Tclose)
    let datatype = try Datatype(of: type.id, place)
    let space = Handle(try check(place, "a shape") { H5Aget_space(id) }, closer: H5Sclose)
    let spaceID = space.id
    let points = try check(place, "a shape") { H5Sget_simple_extent_npoints(spaceID) }
    guard points < 1 << 32 else {
      throw HDF5Error(
        place: place, expected: "a small attribute", found: "\(points) elements",
        remedy: "write the file again")
    }
    handle = attribute
    self.place = place
    self.datatype = datatype
    count = Int(points)
  }

  func mismatch(_ expected: String) -> HDF5Error {
    HDF5Error(
      place: place, expected: expected, found: "\(count) of \(datatype)",
      remedy: "write the file again")
  }
}
