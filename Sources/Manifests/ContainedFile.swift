import Glibc

/// The path of a file of `folder`, following a symbolic link only as far as its own snapshot.
///
/// Hugging Face's cache links the files of `snapshots/REVISION` into `blobs` beside `snapshots`; a
/// link of a strange folder could point at any file of the user's.
/// - Parameter name: a plain file name; it need not exist.
/// - Throws: ``ManifestError`` naming the link and its target.
package func containedFile(_ name: String, in folder: String) throws -> String {
  let path = "\(withoutTrailingSlash(folder))/\(name)"
  guard let target = linkTarget(path) else { return path }
  if let real = realPath(path), let home = realPath(folder) {
    let (holder, _) = splitPath(real)
    let (snapshots, _) = splitPath(home)
    let (repository, kind) = splitPath(snapshots)
    if holder == home || (kind == "snapshots" && holder == "\(repository)/blobs") { return path }
  }
  throw ManifestError(
    place: path, expected: "a file of the folder itself",
    found: "a symbolic link to \(quoted(target))", remedy: "copy the file into the folder")
}

private func realPath(_ path: String) -> String? {
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}
