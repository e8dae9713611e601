import CHDF5

/// An HDF5 identifier that is closed once: by `close()`, which reports failure, or at the end of
/// its life, which cannot.
struct Handle: ~Copyable {
  let id: hid_t
  private let closer: @convention(c) (hid_t) -> herr_t

  init(_ id: hid_t, closer: @escaping @convention(c) (hid_t) -> herr_t) {
    self.id = id
    self.closer = closer
  }

  deinit {
    let (id, closer) = (id, closer)
    _ = withLibrary { closer(id) }
  }

  consuming func close(_ place: String) throws(HDF5Error) {
    let (id, closer) = (id, closer)
    discard self
    _ = try check(
      place, "a file that takes its last bytes", remedy: "check the disk's free space"
    ) { closer(id) }
  }
}

/// A property list of HDF5: how a file or dataset is made or opened.
struct PropertyList: ~Copyable {
  private let handle: Handle
  var id: hid_t { handle.id }

  private init(_ kind: @autoclosure () -> hid_t, _ place: String) throws(HDF5Error) {
    handle = Handle(
      try check(place, "a property list") { H5Pcreate(kind()) }, closer: H5Pclose)
  }

  /// Files are made without time stamps: the same rows give the same bytes.
  static func fileCreation(_ place: String) throws(HDF5Error) -> PropertyList {
    let list = try PropertyList(lockstep_file_create_class(), place)
    let id = list.id
    _ = try check(place, "no time stamps") { H5Pset_obj_track_times(id, false) }
    return list
  }

  /// Through plain system calls. For writing, the file is locked and cannot close while its
  /// datasets are open, so that a close that reports success has written everything.
  static func fileAccess(_ place: String, writing: Bool) throws(HDF5Error) -> PropertyList {
    let list = try PropertyList(lockstep_file_access_class(), place)
    let id = list.id
    _ = try check(place, "plain file access") { H5Pset_fapl_sec2(id) }
    _ = try check(place, "format bounds") { lockstep_set_format(id) }
    if writing {
      _ = try check(place, "a close degree") { H5Pset_fclose_degree(id, H5F_CLOSE_SEMI) }
    } else {
      _ = try check(place, "no file locking") { lockstep_set_no_locking(id) }
    }
    return list
  }

  /// Chunked, byte-shuffled, deflated and checksummed (fletcher32), in this order.
  static func datasetCreation(
    _ place: String, chunk: [Int], deflateLevel: Int
  ) throws(HDF5Error) -> PropertyList {
    let list = try PropertyList(lockstep_dataset_create_class(), place)
    let id = list.id
    let dimensions = chunk.map { hsize_t($0) }
    _ = try check(place, "a chunk shape") { H5Pset_chunk(id, Int32(chunk.count), dimensions) }
    _ = try check(place, "the shuffle filter") { H5Pset_shuffle(id) }
    _ = try check(
      place, "the deflate filter", remedy: "use a libhdf5 that was built with zlib"
    ) { H5Pset_deflate(id, UInt32(deflateLevel)) }
    _ = try check(place, "the fletcher32 filter") { H5Pset_fletcher32(id) }
    _ = try check(place, "no time stamps") { H5Pset_obj_track_times(id, false) }
    return list
  }

  /// - Parameter cacheBytes: decoded chunks that an open dataset keeps.
  static func datasetAccess(
    _ place: String, cacheBytes: Int
  ) throws(HDF5Error) -> PropertyList {
    let list = try PropertyList(lockstep_dataset_access_class(), place)
    let id = list.id
    // A prime number of slots; evict whole-read chunks first (the library's own weight).
    _ = try check(place, "a chunk cache") { H5Pset_chunk_cache(id, 1009, cacheBytes, 0.75) }
    return list
  }
}
