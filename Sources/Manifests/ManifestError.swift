import Glibc

/// What went wrong with a file or folder, in one line that a user can act on.
package struct ManifestError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file or folder, as the user named it.
  package let place: String
  package let expected: String
  package let found: String
  package let remedy: String
  /// errno of a system call that failed; nil when it is the content that is wrong.
  package let systemCode: Int32?

  package init(
    place: String, expected: String, found: String, remedy: String, systemCode: Int32? = nil
  ) {
    self.systemCode = systemCode
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// Whether another attempt may succeed, since the file is there but the system did not give it.
  package var mayPass: Bool {
    guard let systemCode else { return false }
    return ![ENOENT, ENOTDIR, ELOOP].contains(systemCode)
  }

  package var description: String {
    "\(place): expected \(expected), found \(found); \(remedy)"
  }

  /// A failed system call. `expected` says what was attempted ("to write 512 bytes").
  ///
  /// Call it before anything else can change errno.
  static func system(_ path: String, _ expected: String, code: Int32 = errno) -> ManifestError {
    ManifestError(
      place: path, expected: expected, found: String(cString: strerror(code)),
      remedy: remedy(for: code), systemCode: code)
  }

  private static func remedy(for code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "free space on its file system, or name a folder elsewhere"
    case EACCES, EPERM: "check the permissions of the file and its folder"
    case EROFS: "name a folder on a writable file system"
    case ENOENT, ENOTDIR: "check the path"
    case ELOOP: "replace the symbolic link by the file itself"
    case EIO: "check the disk, then use another copy"
    case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
    default: "check the path and its file system"
    }
  }
}
