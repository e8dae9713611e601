import CHDF5

/// Which HDF5 this program runs with.
package struct LibraryVersion: Sendable, Equatable, Codable {
  /// e.g. `1.10.8`.
  package let number: String
  /// Whether the library guards its own tables; lockstep serialises its calls either way.
  package let isThreadSafe: Bool

  package init(number: String, isThreadSafe: Bool) {
    self.number = number
    self.isThreadSafe = isThreadSafe
  }

  enum CodingKeys: String, CodingKey {
    case number = "version"
    case isThreadSafe = "thread_safe"
  }

  package static var current: LibraryVersion {
    withLibrary {
      var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
      var isThreadSafe: Bool = false
      _ = H5get_libversion(&major, &minor, &release)
      _ = H5is_library_threadsafe(&isThreadSafe)
      return LibraryVersion(number: "\(major).\(minor).\(release)", isThreadSafe: isThreadSafe)
    }
  }
}
