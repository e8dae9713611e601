import Glibc
import HDF5
import Manifests

/// What a path of shards holds, before any row is read.
struct DataSource {
  var manifest: ShardManifest?
  var sealed: SealedFolder?
  var paths: [String]
  var description: ShardDescription
  /// Of each file.
  var rows: [Int]
  var tokens: [Int]
  var isPadded: Bool
  var identity: String

  /// - Parameter progress: called with the bytes of each block that is hashed; may throw to end it.
  init(path: String, progress: (Int) throws -> Void) throws {
    if isFolder(path) {
      let found = try entries(ofFolder: path)
      if found.contains(where: { $0.name == manifestName || $0.name == manifestDigestName }) {
        self = try DataSource(sealed: SealedFolder(path: path))
        return
      }
      let names = found.filter {
        ($0.kind == .file || $0.kind == .link)
          && ($0.name.hasSuffix(".h5") || $0.name.hasSuffix(".hdf5"))
      }
      guard !names.isEmpty else {
        throw ShardsError(
          place: path, expected: "\(manifestName) or files named *.h5",
          found: found.isEmpty ? "an empty folder" : "neither",
          remedy: "name a folder that lockstep shard wrote")
      }
      self = try DataSource(files: names.map { "\(path)/\($0.name)" }, progress)
    } else {
      self = try DataSource(files: [path], progress)
    }
  }

  /// A folder that lockstep wrote: what its manifest says, sizes compared.
  private init(sealed: SealedFolder) throws {
    let manifest = try ShardManifest(of: sealed)
    for file in manifest.files {
      let path = "\(sealed.path)/\(file.name)"
      var status = stat()
      guard lstat(path, &status) == 0 else {
        throw systemError(path, "a shard of \(file.bytes) bytes")
      }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw ShardsError(
          place: path, expected: "a file", found: "a link or a folder",
          remedy: "use another copy of the folder")
      }
      guard Int64(status.st_size) == file.bytes else {
        throw ShardsError(
          place: path, expected: "\(file.bytes) bytes, as \(manifestName) has",
          found: "\(status.st_size)",
          remedy: "use another copy of the folder, or write it again")
      }
    }
    self.init(
      manifest: manifest, sealed: sealed, paths: manifest.files.map { "\(sealed.path)/\($0.name)" },
      description: manifest.description, rows: manifest.files.map(\.rows),
      tokens: manifest.files.map(\.tokens), isPadded: false,
      identity: sha256(of: sealed.manifestBytes))
  }

  /// Files without a manifest, all of one kind.
  private init(files: [String], _ progress: (Int) throws -> Void) throws {
    var sources: [DataSource] = []
    for path in files {
      let source = try DataSource(file: path, progress)
      if let first = sources.first {
        try Self.check(source, agreesWith: first)
      }
      sources.append(source)
    }
    var description = sources[0].description
    description.maxLength = sources.map(\.description.maxLength).max() ?? 0
    let list = sources.map { "\($0.identity)  \(splitPath($0.paths[0]).name)\n" }.joined()
    self.init(
      manifest: nil, sealed: nil, paths: files, description: description,
      rows: sources.map { $0.rows[0] }, tokens: sources.map { $0.tokens[0] },
      isPadded: sources[0].isPadded, identity: sha256(of: Array(list.utf8)))
  }

  private init(file path: String, _ progress: (Int) throws -> Void) throws {
    let identity = try sha256OfFile(path, progress: progress).sha256
    if let (description, rows, tokens) = try Self.packedAttributes(of: path) {
      self.init(
        paths: [path], description: description, rows: [rows], tokens: [tokens],
        isPadded: false, identity: identity)
      return
    }
    let shard = try PaddedShard(path: path)
    let description = ShardDescription(
      task: shard.task, labelNames: shard.labelNames, maxLength: shard.width, vocabularySHA256: "",
      hasPairs: shard.hasPairs)
    self.init(
      paths: [path], description: description, rows: [shard.offsets.count - 1],
      tokens: [Int(shard.offsets[shard.offsets.count - 1])], isPadded: true,
      identity: identity)
  }

  /// The attributes of one of our shards; nil for any other file.
  private static func packedAttributes(
    of path: String
  ) throws -> (description: ShardDescription, rows: Int, tokens: Int)? {
    let file = try File(reading: path)
    guard try file.stringAttribute("format") == ShardFormat.name else { return nil }
    let found = try ShardFormat.readAttributes(of: file)
    guard (0...1 << 32).contains(found.rows), (0...1 << 48).contains(found.tokens),
      (1...1 << 31).contains(found.description.maxLength),
      found.description.labelNames.isEmpty != found.description.task.hasLabelNames
    else {
      throw ShardsError(
        place: path, expected: "attributes with sizes and label names",
        found: "\(found.rows) rows, \(found.tokens) tokens, "
          + "\(found.description.labelNames.count) labels",
        remedy: "write the shards again")
    }
    return found
  }

  private static func check(
    _ source: DataSource, agreesWith first: DataSource
  ) throws {
    func check(_ what: String, _ expected: String, _ found: String) throws {
      guard expected == found else {
        throw ShardsError(
          place: source.paths[0], expected: "\(what) \(expected), as in \(first.paths[0])",
          found: found, remedy: "put files of different kinds into different folders")
      }
    }
    let (a, b) = (first.description, source.description)
    try check(
      "the form", first.isPadded ? "padded" : "packed", source.isPadded ? "padded" : "packed")
    try check("the task", a.task.rawValue, b.task.rawValue)
    try check("labels", quotedList(a.labelNames), quotedList(b.labelNames))
    try check("texts a row", a.hasPairs ? "2" : "1", b.hasPairs ? "2" : "1")
    try check("vocabulary", a.vocabularySHA256, b.vocabularySHA256)
    if !first.isPadded { try check("max_length", "\(a.maxLength)", "\(b.maxLength)") }
  }
}

extension DataSource {
  private init(
    manifest: ShardManifest? = nil, sealed: SealedFolder? = nil, paths: [String],
    description: ShardDescription, rows: [Int], tokens: [Int], isPadded: Bool, identity: String
  ) {
    self.manifest = manifest
    self.sealed = sealed
    self.paths = paths
    self.description = description
    self.rows = rows
    self.tokens = tokens
    self.isPadded = isPadded
    self.identity = identity
  }
}
