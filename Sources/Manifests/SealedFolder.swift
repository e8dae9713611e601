/// A folder that ``SealedFolderWriter`` sealed, or one that claims to be.
///
/// Opening checks manifest.json against manifest.sha256; the files are hashed one by one with
/// ``check(_:progress:)``, so that several processes can share them.
package struct SealedFolder: Sendable {
  package let path: String
  package let manifest: Manifest
  /// manifest.json, byte by byte as its hash was checked.
  package let manifestBytes: [UInt8]

  /// - Throws: ``ManifestError`` when the folder has no manifest, when the manifest is malformed, or
  ///   when it is not, byte for byte, the one that was sealed.
  package init(path: String) throws {
    let path = withoutTrailingSlash(path)
    self.path = path
    let manifestPath = "\(path)/\(manifestName)"
    let digestPath = "\(path)/\(manifestDigestName)"
    guard isFolder(path) else {
      throw ManifestError(
        place: path, expected: "a folder with \(manifestName)",
        found: exists(path) ? "something else" : "nothing", remedy: "check the path")
    }
    guard exists(manifestPath) || exists(digestPath) else {
      throw ManifestError(
        place: path, expected: "\(manifestName) and \(manifestDigestName)", found: "neither",
        remedy: "name a checkpoint or shard folder that lockstep wrote")
    }
    let digest = try contents(ofFile: digestPath, limit: 4096, followingLinks: false)
    manifestBytes = try contents(
      ofFile: manifestPath, limit: manifestByteLimit, followingLinks: false)
    let hash = sha256(of: manifestBytes)
    guard digest == manifestDigestLine(hash) else {
      throw Self.digestMismatch(digest, hash, manifestPath: manifestPath, digestPath: digestPath)
    }
    manifest = try Manifest(bytes: manifestBytes, place: manifestPath)
  }

  private static func digestMismatch(
    _ digest: [UInt8], _ hash: String, manifestPath: String, digestPath: String
  ) -> ManifestError {
    let line = String(decoding: digest, as: UTF8.self)
    let listed = String(line.prefix(64))
    guard isDigest(listed), digest == manifestDigestLine(listed) else {
      return ManifestError(
        place: digestPath, expected: "64 hex digits, two spaces and `\(manifestName)`",
        found: "\(digest.count) other bytes", remedy: damagedRemedy)
    }
    return ManifestError(
      place: manifestPath, expected: "sha256 \(listed)", found: "sha256 \(hash)",
      remedy: damagedRemedy)
  }

  /// Hashes one file of the manifest and compares its size and SHA-256.
  /// - Parameter progress: called with the bytes of each block once it is hashed; may throw to end it.
  package func check(_ record: FileRecord, progress: (Int) throws -> Void = { _ in }) throws {
    let filePath = "\(path)/\(record.name)"
    guard exists(filePath) else {
      throw ManifestError(
        place: filePath, expected: "a file of \(record.bytes) bytes", found: "no such file",
        remedy: damagedRemedy)
    }
    let size = try OpenFile(reading: filePath, followingLinks: false).size
    guard size == record.bytes else {
      throw ManifestError(
        place: filePath, expected: "\(record.bytes) bytes", found: "\(size) bytes",
        remedy: damagedRemedy)
    }
    let (hash, _) = try sha256OfFile(filePath, followingLinks: false, progress: progress)
    guard hash == record.sha256 else {
      throw ManifestError(
        place: filePath, expected: "sha256 \(record.sha256)", found: "sha256 \(hash)",
        remedy: damagedRemedy)
    }
  }

  /// The entries of the folder that its manifest does not list, sorted by name.
  package func unlistedEntries() throws -> [String] {
    let listed = Set(manifest.files.map { Array($0.name.utf8) })
    return try entries(ofFolder: path).map(\.name).filter {
      $0 != manifestName && $0 != manifestDigestName && !listed.contains(Array($0.utf8))
    }
  }
}

private let damagedRemedy = "the folder is damaged: use another copy of it, or write it again"

/// What ``verifySealedFolder(_:progress:)`` found, file by file.
package struct FolderVerification: Sendable {
  package struct File: Sendable, Equatable {
    package let name: String
    /// From the manifest; nil for the manifest itself and for files that it does not list.
    package let bytes: Int64?
    /// nil when the file is byte for byte as it was sealed.
    package let failure: ManifestError?
  }

  package let path: String
  /// The manifest's `format`; nil when the manifest itself failed.
  package let format: String?
  /// The manifest first, then its files in its order, then entries that it does not list. Only
  /// the manifest when that fails: its list means nothing then.
  package let files: [File]

  package var failures: [ManifestError] { files.compactMap(\.failure) }

  init(path: String, format: String?, files: [File]) {
    self.path = path
    self.format = format
    self.files = files
  }

  /// A folder whose manifest cannot be used, so that nothing else can be checked.
  package init(path: String, manifestFailure: ManifestError) {
    let manifest = File(name: manifestName, bytes: nil, failure: manifestFailure)
    self.init(path: path, format: nil, files: [manifest])
  }
}

/// Recomputes every hash of a sealed folder and compares names, sizes and hashes byte for byte.
/// - Throws: ``ManifestError`` only when `path` is not a folder or has no manifest at all; whatever
///   is wrong with the content is in the result.
package func verifySealedFolder(
  _ path: String, progress: (Int) throws -> Void = { _ in }
) throws -> FolderVerification {
  let path = withoutTrailingSlash(path)
  let folder: SealedFolder
  do {
    folder = try SealedFolder(path: path)
  } catch let error as ManifestError where error.place != path {
    return FolderVerification(path: path, manifestFailure: error)
  }
  var files = [FolderVerification.File(name: manifestName, bytes: nil, failure: nil)]
  for record in folder.manifest.files {
    var failure: ManifestError?
    do { try folder.check(record, progress: progress) } catch let error as ManifestError {
      failure = error
    }
    files.append(.init(name: record.name, bytes: record.bytes, failure: failure))
  }
  for name in try folder.unlistedEntries() {
    let failure = ManifestError(
      place: "\(path)/\(printable(name))", expected: "only files that the manifest lists",
      found: "one that it does not list", remedy: "move it elsewhere")
    files.append(.init(name: name, bytes: nil, failure: failure))
  }
  return FolderVerification(path: path, format: folder.manifest.format, files: files)
}
