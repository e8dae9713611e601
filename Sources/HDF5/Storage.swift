import CHDF5

/// What a dataset of a stranger's file is held to before a value of it is read.
extension Dataset {
  /// A chunk is decoded as a whole, so its declared size is memory.
  private static let maximumChunkBytes = 1 << 28
  /// Deflate shrinks by at most 1,032 : 1 (zlib's technical note).
  private static let maximumCompression = 1032

  static func shape(of id: hid_t, _ place: String) throws(HDF5Error) -> [Int] {
    let space = Handle(try check(place, "a shape") { H5Dget_space(id) }, closer: H5Sclose)
    let spaceID = space.id
    let rank = try check(place, "a shape") { H5Sget_simple_extent_ndims(spaceID) }
    var dimensions = [hsize_t](repeating: 0, count: Int(rank))
    _ = try check(place, "a shape") {
      H5Sget_simple_extent_dims(spaceID, &dimensions, nil)
    }
    var elements = 1
    for dimension in dimensions {
      let (product, overflow) = elements.multipliedReportingOverflow(by: Int(clamping: dimension))
      guard !overflow, product < 1 << 56 else {
        throw HDF5Error(
          place: place, expected: "a size that fits a disk", found: "\(dimensions) elements",
          remedy: "write the file again")
      }
      elements = product
    }
    guard !dimensions.isEmpty else {
      throw HDF5Error(
        place: place, expected: "an array", found: "a single value",
        remedy: "write the file again")
    }
    return dimensions.map { Int($0) }
  }

  static func checkStorage(
    of id: hid_t, shape: [Int], datatype: Datatype, storedBytes: Int, _ place: String
  ) throws(HDF5Error) {
    let creation = Handle(
      try check(place, "readable properties") { H5Dget_create_plist(id) }, closer: H5Pclose)
    let creationID = creation.id
    let layout = withLibrary { lockstep_layout(creationID) }
    guard layout != lockstep_layout_virtual() else {
      throw refusal(place, "a virtual dataset")
    }
    guard try check(place, "readable properties", { H5Pget_external_count(creationID) }) == 0
    else { throw refusal(place, "external storage") }
    try checkFilters(of: creationID, place)
    if layout == lockstep_layout_chunked() {
      try checkChunk(of: creationID, rank: shape.count, datatype, place)
    }
    // Every row that is declared must be stored; unwritten rows would read as zeros.
    // An element may have 2^32 bytes, and a shape 2^56 elements.
    let elements = shape.reduce(1, *)
    let (declared, overflow) = elements.multipliedReportingOverflow(by: datatype.bytes)
    guard !overflow, declared / maximumCompression <= storedBytes else {
      throw HDF5Error(
        place: place,
        expected: overflow
          ? "\(elements) x \(datatype.bytes) bytes of data" : "\(declared) bytes of data",
        found: "\(storedBytes) stored", remedy: "write the file again")
    }
  }

  private static func checkFilters(of creation: hid_t, _ place: String) throws(HDF5Error) {
    let numFilters = try check(place, "readable filters") { H5Pget_nfilters(creation) }
    for index in 0..<UInt32(numFilters) {
      let filter = try check(place, "a readable filter") { lockstep_filter_id(creation, index) }
      guard lockstep_is_allowed_filter(filter) != 0 else {
        throw HDF5Error(
          place: place, expected: "the filters shuffle, deflate (gzip), fletcher32 or none",
          found: "filter \(filter)", remedy: "write it with compression='gzip'")
      }
    }
  }

  private static func checkChunk(
    of creation: hid_t, rank: Int, _ datatype: Datatype, _ place: String
  ) throws(HDF5Error) {
    var chunk = [hsize_t](repeating: 0, count: rank)
    _ = try check(place, "a chunk shape") { H5Pget_chunk(creation, Int32(rank), &chunk) }
    var bytes = datatype.bytes
    for size in chunk {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: Int(clamping: size))
      bytes = overflow ? .max : product
    }
    guard bytes <= maximumChunkBytes else {
      throw HDF5Error(
        place: place, expected: "chunks of at most \(maximumChunkBytes) bytes",
        found: "\(bytes)", remedy: "write it with smaller chunks")
    }
  }

  private static func refusal(_ place: String, _ found: String) -> HDF5Error {
    HDF5Error(
      place: place, expected: "data inside of the file", found: found,
      remedy: "copy the data into the file")
  }
}
