import Glibc

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Writes a folder that appears whole or not at all.
///
/// Files are written into a hidden sibling (`.NAME.partial-PID-RANDOM`). ``seal(manifest:)`` writes
/// manifest.json and manifest.sha256 last, flushes everything, and renames the hidden folder into
/// place. A process killed at any moment leaves either the sealed folder or a hidden partial one.
/// A writer that is dropped unsealed removes its hidden folder.
package final class SealedFolderWriter {
  package let destination: String
  private let parent: String
  private let name: String
  private let hidden: String
  private let replacing: Bool
  private var records: [FileRecord] = []
  private var isOpen = true

  /// Creates the hidden folder.
  /// - Parameters:
  ///   - destination: where the sealed folder shall be.
  ///   - creatingParents: whether the folders that lead there are created, or must exist.
  ///   - replacing: whether a folder that is already there is removed on sealing, or is an error.
  package init(
    destination: String, creatingParents: Bool = false, replacing: Bool = false
  ) throws {
    let (parent, name) = splitPath(destination)
    guard isPlainFileName(name) else {
      throw ManifestError(
        place: destination, expected: "the name of a folder to create", found: quoted(name),
        remedy: "name the folder itself")
    }
    self.destination = parent == "/" ? "/\(name)" : parent == "." ? name : "\(parent)/\(name)"
    self.parent = parent
    self.replacing = replacing
    self.name = name
    hidden = hiddenSibling(.partial, parent: parent, name: name)
    try checkDestination()
    if creatingParents {
      // What stands in the way of that is the next call's error.
      try? FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    }
    guard mkdir(hidden, 0o777) == 0 else {
      throw ManifestError.system(destination, "to create a folder in \(parent)")
    }
  }

  deinit { abandon() }

  /// The path of `name` inside the hidden folder, to be written to before ``seal(manifest:)``.
  package func path(of name: String) -> String { "\(hidden)/\(name)" }

  /// The files added so far, in the order of adding.
  package var files: [FileRecord] { records }

  /// Adds a file that lies in the hidden folder already: flushes it to the disk and hashes it.
  @discardableResult
  package func add(_ name: String, progress: (Int) -> Void = { _ in }) throws -> FileRecord {
    try checkNew(name)
    try OpenFile(reading: path(of: name), followingLinks: false).synchronize()
    let (hash, bytes) = try sha256OfFile(
      path(of: name), followingLinks: false, progress: progress)
    let record = FileRecord(name: name, bytes: bytes, sha256: hash)
    records.append(record)
    return record
  }

  /// Adds a file that was hashed while it was written, and flushed, as ``HashedFileWriter`` does.
  @discardableResult
  package func add(_ name: String, sha256: String, bytes: Int64) throws -> FileRecord {
    try checkNew(name)
    let record = FileRecord(name: name, bytes: bytes, sha256: sha256)
    records.append(record)
    return record
  }

  /// Writes `bytes` as a new file and adds it.
  @discardableResult
  package func add(_ name: String, content bytes: [UInt8]) throws -> FileRecord {
    try checkNew(name)
    let (hash, count) = try write(bytes, as: name)
    return try add(name, sha256: hash, bytes: count)
  }

  /// Copies the file at `source` (a link is followed) and adds it as `name`.
  @discardableResult
  package func add(_ name: String, copyOf source: String) throws -> FileRecord {
    try checkNew(name)
    let original = try OpenFile(reading: source)
    var file = try HashedFileWriter(creating: path(of: name))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    var offset: Int64 = 0
    while true {
      let count = try original.read(at: offset, into: buffer)
      if count == 0 { break }
      try file.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += Int64(count)
    }
    let (hash, bytes) = try file.finish()
    return try add(name, sha256: hash, bytes: bytes)
  }

  /// Seals with `manifest` as JSON (keys sorted, indented by two spaces, a final newline).
  ///
  /// `manifest` must have an array `files` with ``name``, ``bytes`` and ``sha256`` for exactly the
  /// files that were added.
  package func seal(manifest: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try seal(manifestBytes: [UInt8](encoder.encode(manifest)) + [UInt8(ascii: "\n")])
  }

  /// Seals with the given bytes as manifest.json. After an error the folder can only be abandoned.
  package func seal(manifestBytes: [UInt8]) throws {
    precondition(isOpen, "a folder is sealed once")
    let listed = try Manifest(bytes: manifestBytes, place: path(of: manifestName)).files
    guard listed.sorted(by: byName) == records.sorted(by: byName) else {
      throw ManifestError(
        place: "\(destination)/\(manifestName)", expected: "the \(records.count) files written",
        found: "a list of \(listed.count) files that differs",
        remedy: "list the record of every file that was added")
    }
    let (hash, _) = try write(manifestBytes, as: manifestName)
    _ = try write(manifestDigestLine(hash), as: manifestDigestName)
    try publish()
  }

  /// Puts the folder into place without a manifest: one in a format that has none, for the programs
  /// of others. After an error it can only be abandoned.
  package func finishWithoutManifest() throws {
    precondition(isOpen, "a folder is finished once")
    try publish()
  }

  private func publish() throws {
    try synchronizeFolder(hidden)
    try checkDestination()
    try moveIntoPlace()
    isOpen = false
    try synchronizeFolder(parent)
  }

  /// Removes the hidden folder, as far as that can be done. Does nothing once it is in place.
  package func abandon() {
    guard isOpen else { return }
    isOpen = false
    // Nobody can act on a failure here: the folder is hidden, and is cleaned at the next start.
    try? removeFolder(hidden)
  }

  private func write(_ bytes: [UInt8], as name: String) throws -> (sha256: String, bytes: Int64) {
    var file = try HashedFileWriter(creating: path(of: name))
    try bytes.withUnsafeBytes { try file.append($0) }
    return try file.finish()
  }

  private func checkNew(_ name: String) throws {
    precondition(isOpen, "files are added before the folder is sealed")
    guard isPlainFileName(name), name != manifestName, name != manifestDigestName,
      !records.contains(where: { $0.name == name })
    else {
      throw ManifestError(
        place: destination, expected: "a new plain file name", found: quoted(name),
        remedy: "name each file once, without folders")
    }
  }

  private func checkDestination() throws {
    guard replacing || !exists(destination) else {
      throw ManifestError(
        place: destination, expected: "nothing there yet", found: "an existing file or folder",
        remedy: "remove it or name another folder")
    }
  }

  /// Between the two renames of a replacement the old folder lies hidden beside the destination.
  private func moveIntoPlace() throws {
    guard replacing, exists(destination) else {
      return try renameEntry(hidden, to: destination)
    }
    let old = hiddenSibling(.replaced, parent: parent, name: name)
    try renameEntry(destination, to: old)
    do {
      try renameEntry(hidden, to: destination)
    } catch {
      try renameEntry(old, to: destination)
      throw error
    }
    if isFolder(old) { try removeFolder(old) } else { unlink(old) }
  }
}

private func byName(_ a: FileRecord, _ b: FileRecord) -> Bool {
  a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
}
