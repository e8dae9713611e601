/// The list of a sealed folder's files.
package let manifestName = "manifest.json"
/// The SHA-256 of the manifest, in the format of `sha256sum`.
package let manifestDigestName = "manifest.sha256"

/// Far above any real manifest: a record takes under 1 KB, and a folder has thousands at most.
let manifestByteLimit = 64 << 20

/// What every manifest has in common; shard and checkpoint manifests carry more keys.
package struct Manifest: Sendable, Equatable {
  /// What the folder holds, such as "lockstep-checkpoint"; nil when the manifest does not say.
  package let format: String?
  package let files: [FileRecord]

  /// Reads manifest.json strictly: no key twice, plain file names only, each listed once.
  /// - Parameter place: the path named in errors.
  package init(bytes: [UInt8], place: String) throws {
    do {
      var format: String?
      var files: [FileRecord]?
      var json = JSONReader(bytes)
      try json.readObject { key, json in
        switch key {
        case "format": format = try json.readName()
        case "files": files = try Self.readFiles(&json)
        default: try json.skipValue()
        }
      }
      try json.readEnd()
      guard let files else {
        throw JSONReader.Defect(offset: 0, expected: "an array `files`", found: "no such key")
      }
      self.format = format
      self.files = files
    } catch let defect as JSONReader.Defect {
      throw ManifestError(
        place: "\(place): byte \(defect.offset)", expected: defect.expected, found: defect.found,
        remedy: "use another copy of the folder, or write it again")
    }
  }

  private static func readFiles(_ json: inout JSONReader) throws -> [FileRecord] {
    var files: [FileRecord] = []
    var seen: Set<String> = []
    try json.readArray { json in
      let start = json.position
      let file = try readFile(&json)
      guard isPlainFileName(file.name), file.name != manifestName,
        file.name != manifestDigestName, seen.insert(file.name).inserted
      else {
        throw JSONReader.Defect(
          offset: start, expected: "plain file names, each once", found: quoted(file.name))
      }
      files.append(file)
    }
    return files
  }

  private static func readFile(_ json: inout JSONReader) throws -> FileRecord {
    let start = json.position
    var name: String?
    var bytes: Int?
    var hash: String?
    try json.readObject { key, json in
      switch key {
      case "name": name = try json.readName()
      case "bytes": bytes = try json.readInteger()
      case "sha256": hash = try json.readName()
      default: try json.skipValue()
      }
    }
    guard let name, let bytes, let hash else {
      throw JSONReader.Defect(
        offset: start, expected: "a file's name, bytes and sha256", found: "a record without")
    }
    guard bytes >= 0, isDigest(hash) else {
      throw JSONReader.Defect(
        offset: start, expected: "\(quoted(name)) with bytes >= 0 and 64 lower-case hex digits",
        found: "bytes \(bytes) and sha256 \(quoted(hash))")
    }
    return FileRecord(name: name, bytes: Int64(bytes), sha256: hash)
  }
}

/// The content of manifest.sha256, as `sha256sum manifest.json` prints it.
func manifestDigestLine(_ hash: String) -> [UInt8] {
  Array("\(hash)  \(manifestName)\n".utf8)
}

func isDigest(_ text: String) -> Bool {
  text.utf8.count == 64
    && text.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }
}
