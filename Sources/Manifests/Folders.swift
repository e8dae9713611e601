import Glibc

/// An entry of a folder.
package struct FolderEntry: Sendable, Equatable {
  package enum Kind: Sendable, Equatable { case file, folder, link, other }
  package let name: String
  /// What the entry itself is; links are not followed.
  package let kind: Kind
}

/// The entries of a folder but `.` and `..`, hidden ones included, sorted by the bytes of their
/// names. Bytes that are not UTF-8 become U+FFFD.
package func entries(ofFolder path: String) throws -> [FolderEntry] {
  guard let folder = opendir(path) else {
    throw ManifestError.system(path, "to list the folder")
  }
  defer { closedir(folder) }
  var found: [FolderEntry] = []
  while true {
    errno = 0
    guard let entry = readdir(folder) else {
      if errno != 0 { throw ManifestError.system(path, "to list the folder") }
      break
    }
    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name == "." || name == ".." { continue }
    found.append(FolderEntry(name: name, kind: entryKind("\(path)/\(name)")))
  }
  return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
}

private func entryKind(_ path: String) -> FolderEntry.Kind {
  var status = stat()
  guard lstat(path, &status) == 0 else { return .other }
  switch status.st_mode & S_IFMT {
  case S_IFREG: return .file
  case S_IFDIR: return .folder
  case S_IFLNK: return .link
  default: return .other
  }
}

/// Whether there is anything at `path`, a dangling link included.
package func exists(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0
}

/// Whether `path` is a folder, or a link to one.
package func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Waits until the entries of a folder (created, renamed, removed names) have reached the disk.
package func synchronizeFolder(_ path: String) throws {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { throw ManifestError.system(path, "to open the folder") }
  let code = fsync(descriptor) == 0 ? 0 : errno
  close(descriptor)
  // Some network and FUSE file systems cannot flush a folder and say so; they order renames alone.
  guard code == 0 || code == EINVAL || code == ENOTSUP else {
    throw ManifestError.system(path, "to flush the folder to the disk", code: code)
  }
}

/// Renames within a file system, replacing a file or an empty folder at `new`.
package func renameEntry(_ old: String, to new: String) throws {
  guard rename(old, new) == 0 else { throw ManifestError.system(new, "to rename \(old) to it") }
}

/// Removes a folder and all that is in it; links in it are removed, never followed.
package func removeFolder(_ path: String) throws {
  for entry in try entries(ofFolder: path) {
    let inner = "\(path)/\(entry.name)"
    if entry.kind == .folder {
      try removeFolder(inner)
    } else if unlink(inner) != 0 {
      throw ManifestError.system(inner, "to remove it")
    }
  }
  guard rmdir(path) == 0 else { throw ManifestError.system(path, "to remove the folder") }
}

/// `path` without slashes at its end, as shells complete folders with one; `/` stays.
package func withoutTrailingSlash(_ path: String) -> String {
  var trimmed = Substring(path)
  while trimmed.utf8.count > 1, trimmed.last == "/" { trimmed.removeLast() }
  return String(trimmed)
}

/// The folder that holds `path`, and the last component of it. Trailing slashes do not count.
package func splitPath(_ path: String) -> (parent: String, name: String) {
  let trimmed = withoutTrailingSlash(path)
  guard let slash = trimmed.lastIndex(of: "/") else { return (".", trimmed) }
  let parent = trimmed[..<slash]
  return (parent.isEmpty ? "/" : String(parent), String(trimmed[trimmed.index(after: slash)...]))
}
