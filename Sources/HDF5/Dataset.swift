import CHDF5

/// An open dataset at the root of a file.
///
/// Reading and appending run along the first axis, the rows; the other axes come whole.
package struct Dataset: ~Copyable {
  private let handle: Handle
  /// `file:/name`, as errors print it.
  package let place: String
  package private(set) var shape: [Int]
  package let datatype: Datatype
  /// Bytes that the file holds for this dataset, compressed.
  package let storedBytes: Int

  /// Elements a row: the product of the axes after the first.
  package var rowElements: Int { shape.dropFirst().reduce(1, *) }

  /// Opens `name` in `file`.
  ///
  /// Throws when the name is missing, is a soft or external link, or is no dataset; when the data
  /// lies outside of the file (external storage, virtual dataset) or needs a filter other than
  /// shuffle, deflate and fletcher32; and when the declared size cannot be what is stored, so
  /// that nothing is ever allocated from a size that a damaged file declares.
  ///
  /// - Parameter cacheBytes: decoded chunks kept for this dataset while it is open.
  package init(
    _ name: String, in file: borrowing File, cacheBytes: Int = 1 << 20
  ) throws(HDF5Error) {
    let place = "\(file.path):/\(name)"
    let fileID = file.handle.id
    guard try file.contains(name) else {
      throw HDF5Error(
        place: place, expected: "a dataset",
        found: "none among \(try file.names())",
        remedy: "write the file again")
    }
    guard try check(place, "a readable link", { lockstep_is_hard_link(fileID, name) }) == 1 else {
      throw HDF5Error(
        place: place, expected: "a dataset", found: "a soft or external link",
        remedy: "copy the data into the file")
    }
    let access = try PropertyList.datasetAccess(place, cacheBytes: cacheBytes)
    let object = Handle(
      try check(place, "a readable object") { H5Oopen(fileID, name, lockstep_default()) },
      closer: H5Oclose)
    let objectID = object.id
    guard withLibrary({ lockstep_is_dataset(objectID) }) == 1 else {
      throw HDF5Error(
        place: place, expected: "a dataset", found: "a group or a type",
        remedy: "write the file again")
    }
    let accessID = access.id
    let dataset = Handle(
      try check(place, "a readable dataset") { H5Dopen2(fileID, name, accessID) },
      closer: H5Dclose)
    let id = dataset.id
    let shape = try Dataset.shape(of: id, place)
    let type = Handle(try check(place, "a type") { H5Dget_type(id) }, closer: H5Tclose)
    let datatype = try Datatype(of: type.id, place)
    let storedBytes = withLibrary { Int(clamping: H5Dget_storage_size(id)) }
    try Dataset.checkStorage(
      of: id, shape: shape, datatype: datatype, storedBytes: storedBytes, place)
    handle = dataset
    self.place = place
    self.shape = shape
    self.datatype = datatype
    self.storedBytes = storedBytes
  }

  /// Makes an empty, extendable dataset of `rowShape` per row (empty for one axis).
  ///
  /// - Parameter chunkRows: rows a chunk, the unit of compression, checksum and reading.
  package init<T: Element>(
    creating name: String, of _: T.Type, rowShape: [Int] = [], chunkRows: Int,
    deflateLevel: Int = 4, in file: borrowing File
  ) throws(HDF5Error) {
    let place = "\(file.path):/\(name)"
    let fileID = file.handle.id
    let creation = try PropertyList.datasetCreation(
      place, chunk: [chunkRows] + rowShape, deflateLevel: deflateLevel)
    let start = ([0] + rowShape).map { hsize_t($0) }
    let limit = [lockstep_unlimited()] + rowShape.map { hsize_t($0) }
    let space = Handle(
      try check(place, "a shape") { H5Screate_simple(Int32(start.count), start, limit) },
      closer: H5Sclose)
    let (type, spaceID, creationID) = (T.fileType, space.id, creation.id)
    handle = Handle(
      try check(place, "a new dataset") {
        H5Dcreate2(
          fileID, name, type, spaceID, lockstep_default(), creationID, lockstep_default())
      }, closer: H5Dclose)
    self.place = place
    shape = [0] + rowShape
    datatype = T.datatype
    storedBytes = 0
  }

  /// Rows `rows`, all other axes whole: `rows.count * rowElements` values.
  ///
  /// The library converts between number types; values that do not fit are clamped, so read
  /// integers of unknown width as `Int64` and check them.
  package func read<T: Element>(
    _ rows: Range<Int>, as _: T.Type = T.self
  ) throws -> [T] {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= shape[0], "rows outside of \(place)")
    let count = rows.count * rowElements
    guard count > 0 else { return [] }
    guard datatype.isNumber else {
      throw HDF5Error(
        place: place, expected: "numbers", found: "\(datatype)", remedy: "write the file again")
    }
    let selection = try Selection(of: rows, shape: shape, in: handle.id, place)
    let (id, type) = (handle.id, T.memoryType)
    let (file, memory) = (selection.file.id, selection.memory.id)
    return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      _ = try check(place, "readable data") {
        H5Dread(id, type, memory, file, lockstep_default(), buffer.baseAddress)
      }
      initialized = count
    }
  }

  /// Grows the dataset by `values.count / rowElements` rows and writes them there.
  package mutating func append<T: Element>(_ values: [T]) throws(HDF5Error) {
    precondition(values.count % rowElements == 0, "\(place) takes whole rows")
    guard !values.isEmpty else { return }
    let rows = shape[0]..<shape[0] + values.count / rowElements
    let extent = ([rows.upperBound] + shape.dropFirst()).map { hsize_t($0) }
    let (id, type) = (handle.id, T.memoryType)
    let remedy = "check the disk's free space"
    _ = try check(place, "room to grow", remedy: remedy) { H5Dset_extent(id, extent) }
    shape[0] = rows.upperBound
    let selection = try Selection(of: rows, shape: shape, in: id, place)
    let (file, memory) = (selection.file.id, selection.memory.id)
    _ = try check(place, "a write", remedy: remedy) {
      H5Dwrite(id, type, memory, file, lockstep_default(), values)
    }
  }

  /// Closes, writing what is cached.
  package consuming func close() throws(HDF5Error) {
    let place = place
    try handle.close(place)
  }
}

/// Whole rows of a dataset, and a memory space of the same number of elements.
private struct Selection: ~Copyable {
  let file: Handle
  let memory: Handle

  init(
    of rows: Range<Int>, shape: [Int], in dataset: hid_t, _ place: String
  ) throws(HDF5Error) {
    let start = ([rows.lowerBound] + shape.dropFirst().map { _ in 0 }).map { hsize_t($0) }
    let count = ([rows.count] + shape.dropFirst()).map { hsize_t($0) }
    let elements = [count.reduce(1, *)]
    let file = Handle(try check(place, "a shape") { H5Dget_space(dataset) }, closer: H5Sclose)
    let id = file.id
    _ = try check(place, "a selection") {
      H5Sselect_hyperslab(id, H5S_SELECT_SET, start, nil, count, nil)
    }
    let memory = Handle(
      try check(place, "a memory shape") { H5Screate_simple(1, elements, nil) },
      closer: H5Sclose)
    self.file = file
    self.memory = memory
  }
}
