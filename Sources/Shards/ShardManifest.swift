import Manifests

/// manifest.json of a shard folder.
package struct ShardManifest: Encodable, Sendable, Equatable {
  package struct File: Encodable, Sendable, Equatable {
    package let name: String
    package let bytes: Int64
    package let sha256: String
    package let rows: Int
    package let tokens: Int
  }

  package let description: ShardDescription
  package let files: [File]
  /// How many rows have 0, 1, 2 .. tokens, up to the longest row.
  package let lengthHistogram: [Int]

  package var rows: Int { files.reduce(0) { $0 + $1.rows } }
  package var tokens: Int { files.reduce(0) { $0 + $1.tokens } }

  private enum CodingKeys: String, CodingKey {
    case format, version, task, rows, tokens, files
    case textsPerRow = "texts_per_row"
    case labelNames = "label_names"
    case maxLength = "max_length"
    case vocabularySHA256 = "vocabulary_sha256"
    case lengthHistogram = "length_histogram"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(ShardFormat.name, forKey: .format)
    try container.encode(ShardFormat.version, forKey: .version)
    try container.encode(description.task, forKey: .task)
    try container.encode(description.labelNames, forKey: .labelNames)
    try container.encode(description.maxLength, forKey: .maxLength)
    try container.encode(description.vocabularySHA256, forKey: .vocabularySHA256)
    try container.encode(description.hasPairs ? 2 : 1, forKey: .textsPerRow)
    try container.encode(rows, forKey: .rows)
    try container.encode(tokens, forKey: .tokens)
    try container.encode(lengthHistogram, forKey: .lengthHistogram)
    try container.encode(files, forKey: .files)
  }
}

extension ShardManifest {
  /// The manifest of a folder whose manifest.sha256 has been checked.
  ///
  /// Throws for a manifest of something else, of another version, or whose sums are not the sums
  /// of its files.
  init(of folder: SealedFolder) throws {
    let place = "\(folder.path)/\(manifestName)"
    guard folder.manifest.format == ShardFormat.name else {
      throw ShardsError(
        place: place, expected: "format \(quoted(ShardFormat.name))",
        found: folder.manifest.format.map { quoted($0) } ?? "none",
        remedy: "name a folder that lockstep shard wrote")
    }
    do {
      var fields = Fields()
      var json = JSONReader(folder.manifestBytes)
      try json.readObject { try fields.read($0, &$1) }
      try json.readEnd()
      self = try fields.manifest(place)
    } catch let defect as JSONReader.Defect {
      throw ShardsError(
        place: "\(place): byte \(defect.offset)", expected: defect.expected,
        found: defect.found, remedy: "write the shards again")
    }
  }

  /// The values as they come; every key must have come in the end.
  private struct Fields {
    var integers: [String: Int] = [:]
    var strings: [String: String] = [:]
    var labelNames: [String] = []
    var histogram: [Int] = []
    var files: [File] = []

    mutating func read(_ key: String, _ json: inout JSONReader) throws {
      switch key {
      case "version", "max_length", "texts_per_row", "rows", "tokens":
        integers[key] = try json.readInteger()
      case "task", "vocabulary_sha256": strings[key] = try json.readName()
      case "label_names":
        var names: [String] = []
        try json.readArray { names.append(try $0.readName()) }
        labelNames = names
      case "length_histogram":
        var counts: [Int] = []
        try json.readArray { counts.append(try $0.readInteger()) }
        histogram = counts
      case "files":
        var files: [File] = []
        try json.readArray { files.append(try Self.readFile(&$0)) }
        self.files = files
      default: try json.skipValue()
      }
    }

    static func readFile(_ json: inout JSONReader) throws -> File {
      let start = json.position
      var integers: [String: Int] = [:]
      var strings: [String: String] = [:]
      try json.readObject { key, json in
        switch key {
        case "name", "sha256": strings[key] = try json.readName()
        case "bytes", "rows", "tokens": integers[key] = try json.readInteger()
        default: try json.skipValue()
        }
      }
      guard let name = strings["name"], let sha256 = strings["sha256"],
        let bytes = integers["bytes"], let rows = integers["rows"],
        let tokens = integers["tokens"], (0...1 << 32).contains(rows),
        (0...1 << 48).contains(tokens)
      else {
        throw JSONReader.Defect(
          offset: start, expected: "a shard's name, bytes, sha256, rows and tokens",
          found: "a record without, or numbers out of range")
      }
      return File(name: name, bytes: Int64(bytes), sha256: sha256, rows: rows, tokens: tokens)
    }

    func manifest(_ place: String) throws -> ShardManifest {
      guard let version = integers["version"], let task = strings["task"] else {
        throw missing(place, "version and task")
      }
      let checkedTask = try ShardFormat.checked(version: version, task: task, place)
      guard let maxLength = integers["max_length"], let rows = integers["rows"],
        let tokens = integers["tokens"], let vocabulary = strings["vocabulary_sha256"],
        let texts = integers["texts_per_row"], (1...2).contains(texts), !files.isEmpty,
        labelNames.isEmpty != checkedTask.hasLabelNames, (1...1 << 31).contains(maxLength)
      else {
        throw missing(
          place,
          "max_length, rows, tokens, vocabulary_sha256, texts_per_row, files and label_names")
      }
      let manifest = ShardManifest(
        description: ShardDescription(
          task: checkedTask, labelNames: labelNames, maxLength: maxLength,
          vocabularySHA256: vocabulary, hasPairs: texts == 2),
        files: files, lengthHistogram: histogram)
      guard files.count < 1 << 14, manifest.rows == rows, manifest.tokens == tokens else {
        throw ShardsError(
          place: place, expected: "\(rows) rows and \(tokens) tokens",
          found: "\(manifest.rows) and \(manifest.tokens) over its \(files.count) files",
          remedy: "write the shards again")
      }
      return manifest
    }

    private func missing(_ place: String, _ keys: String) -> ShardsError {
      ShardsError(
        place: place, expected: "the keys \(keys)",
        found: "one that is absent or empty, or out of range",
        remedy: "write the shards again")
    }
  }
}
