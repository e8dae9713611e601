import CHDF5
import Glibc

/// An open HDF5 file. Datasets of a file that is written must end before it does.
///
/// Handles may be used from any thread, one call at a time.
package struct File: ~Copyable {
  let handle: Handle
  package let path: String

  /// Opens for reading, without locking the file.
  ///
  /// Throws what the operating system says of a path that cannot be read, and what the library
  /// says of bytes that are not HDF5.
  package init(reading path: String) throws(HDF5Error) {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw HDF5Error(
        place: path, expected: "a readable HDF5 file", found: String(cString: strerror(errno)),
        remedy: "check the path and its permissions")
    }
    Glibc.close(descriptor)
    let access = try PropertyList.fileAccess(path, writing: false)
    let accessID = access.id
    handle = Handle(
      try check(path, "an HDF5 file", remedy: "check that the file is whole and is HDF5") {
        H5Fopen(path, lockstep_read_only(), accessID)
      }, closer: H5Fclose)
    self.path = path
  }

  /// Makes a new file in the format of HDF5 1.10, with checksummed metadata and no time stamps.
  /// Throws when `path` exists.
  package init(creating path: String) throws(HDF5Error) {
    let creation = try PropertyList.fileCreation(path)
    let access = try PropertyList.fileAccess(path, writing: true)
    let (creationID, accessID) = (creation.id, access.id)
    handle = Handle(
      try check(path, "a new file", remedy: "check the folder's permissions and free space") {
        H5Fcreate(path, lockstep_exclusive(), creationID, accessID)
      }, closer: H5Fclose)
    self.path = path
  }

  /// Writes everything out and closes. Throws when the disk is full, or while a dataset is open.
  package consuming func close() throws(HDF5Error) {
    let place = path
    try handle.close(place)
  }

  /// The names at the file's root, sorted, links of every kind included.
  package func names() throws(HDF5Error) -> [String] {
    let id = handle.id
    let count = try check(path, "a readable root group") { lockstep_num_links(id) }
    var names: [String] = []
    for index in 0..<Int(count) {
      // 1,024 bytes are beyond any name here; a longer one is cut, and then is not found.
      var text = [CChar](repeating: 0, count: 1024)
      let length = try check(path, "a readable name") {
        H5Lget_name_by_idx(
          id, ".", H5_INDEX_NAME, H5_ITER_INC, hsize_t(index), &text, text.count,
          lockstep_default())
      }
      names.append(
        String(
          decoding: text.prefix(min(length, text.count - 1)).map(UInt8.init(bitPattern:)),
          as: UTF8.self))
    }
    return names
  }

  /// Whether the root has a link of this name.
  package func contains(_ name: String) throws(HDF5Error) -> Bool {
    let id = handle.id
    return try check(path, "a readable root group") {
      H5Lexists(id, name, lockstep_default())
    } > 0
  }
}
