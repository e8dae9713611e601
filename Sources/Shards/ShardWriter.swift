import HDF5
import Manifests

/// Writes tokenized rows as a folder of shards that appears whole or not at all.
///
/// Rows stream: memory holds the chunks that are being filled, whatever the number of rows. The
/// same rows give the same bytes.
package final class ShardWriter {
  /// Shards are small enough to share between ranks for checking, and to hold in memory.
  package static let defaultRowsPerShard = 100_000

  private let description: ShardDescription
  private let folder: SealedFolderWriter
  /// The rows that it takes.
  package let rows: Int
  private let shards: Int
  private var files: [ShardManifest.File] = []
  private var histogram: [Int] = []
  private var shard: OpenShard?
  private var written = 0

  /// Creates the hidden folder that becomes `destination`.
  ///
  /// - Parameters:
  ///   - rows: how many rows will be appended, exactly.
  ///   - shards: files to write, each with a contiguous range of rows, sizes differing by one at
  ///     most; nil: one for each 100,000 rows.
  ///   - overwriting: replace a shard folder that is there. Any other folder with something in it
  ///     is an error: this cannot delete what lockstep did not write.
  package init(
    destination: String, description: ShardDescription, rows: Int, shards: Int? = nil,
    overwriting: Bool = false
  ) throws {
    precondition(description.task.hasLabelNames == !description.labelNames.isEmpty)
    precondition(description.maxLength > 0)
    let most = min(rows, 100_000)
    let count = shards ?? max(1, (rows + Self.defaultRowsPerShard - 1) / Self.defaultRowsPerShard)
    guard rows > 0, (1...most).contains(count) else {
      throw ShardsError(
        place: destination, expected: "1 to \(most) shards for \(rows) rows", found: "\(count)",
        remedy: "choose another number with --shards")
    }
    let replacing = try Self.mayReplace(destination, overwriting: overwriting)
    folder = try SealedFolderWriter(
      destination: destination, creatingParents: true, replacing: replacing)
    self.description = description
    self.rows = rows
    self.shards = count
  }

  /// Appends the next row.
  ///
  /// - Parameters:
  ///   - ids: at most `maxLength` tokens, each >= 0.
  ///   - typeIDs: as many as `ids` for pairs; ignored for single texts.
  ///   - rowID: what names the row in reports.
  ///   - labels: Those of the row, in the form of the task.
  ///   - context: Of question answering, and of nothing else.
  package func append(
    ids: [Int32], typeIDs: [UInt8]? = nil, rowID: String, labels: RowLabels,
    context: AnswerContext? = nil
  ) throws {
    precondition((context != nil) == (labels.task == .questionAnswering), "a context for answers")
    let shape = description.task.labelShape(labelCount: description.labelNames.count)
    precondition(
      labels.task == description.task
        && labels.count == (labels.task.labelsTokens ? ids.count : shape.reduce(1, *)),
      "a value for each label")
    precondition(ids.count <= description.maxLength, "more tokens than max_length")
    precondition(!description.hasPairs || typeIDs?.count == ids.count, "a type for each token")
    guard written < rows else {
      throw ShardsError(
        place: folder.destination, expected: "\(rows) rows", found: "more",
        remedy: "leave the input unchanged while it is read")
    }
    try renamingErrors {
      if shard == nil { shard = try OpenShard(path: folder.path(of: nextName), description) }
      try shard?.append(ids, typeIDs, rowID, labels, context)
      if written + 1 == endOfShard(files.count) { try finishShard() }
    }
    written += 1
    if histogram.count <= ids.count {
      histogram += repeatElement(0, count: ids.count + 1 - histogram.count)
    }
    histogram[ids.count] += 1
  }

  /// Appends the next row of a multi-label data set.
  ///
  /// - Parameter labels: one value for each label name.
  package func append(
    ids: [Int32], typeIDs: [UInt8]? = nil, rowID: String, labels: [Float]
  ) throws {
    try append(ids: ids, typeIDs: typeIDs, rowID: rowID, labels: RowLabels(.multiLabel, labels))
  }

  /// Seals the folder, which then is at its destination. Returns its manifest.
  package func finish() throws -> ShardManifest {
    guard written == rows else {
      throw ShardsError(
        place: folder.destination, expected: "\(rows) rows", found: "\(written)",
        remedy: "leave the input unchanged while it is read")
    }
    let manifest = ShardManifest(
      description: description, files: files, lengthHistogram: histogram)
    try folder.seal(manifest: manifest)
    return manifest
  }

  /// Removes what was written. A writer that is dropped unfinished does the same.
  package func abandon() {
    shard = nil
    folder.abandon()
  }

  private var nextName: String { ShardFormat.fileName(files.count) }

  /// The row after the last one of a shard.
  private func endOfShard(_ index: Int) -> Int {
    let (smaller, larger) = (rows / shards, rows % shards)
    return (index + 1) * smaller + min(index + 1, larger)
  }

  private func finishShard() throws {
    guard let open = shard.take() else { return }
    let (rows, tokens) = (open.rows, open.tokens)
    try open.finish()
    let record = try folder.add(nextName)
    files.append(
      ShardManifest.File(
        name: record.name, bytes: record.bytes, sha256: record.sha256, rows: rows,
        tokens: tokens))
  }

  /// Errors name the folder that was asked for, not the hidden one.
  private func renamingErrors(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as HDF5Error {
      let hidden = folder.path(of: "")
      let place =
        error.place.hasPrefix(hidden)
        ? "\(folder.destination)/\(error.place.dropFirst(hidden.count))" : error.place
      throw ShardsError(
        place: place, expected: error.expected, found: error.found, remedy: error.remedy)
    }
  }

  /// Whether sealing replaces what is at `destination`.
  private static func mayReplace(_ destination: String, overwriting: Bool) throws -> Bool {
    guard exists(destination) else { return false }
    guard isFolder(destination) else {
      throw ShardsError(
        place: destination, expected: "a folder to write, or nothing", found: "a file",
        remedy: "name another folder")
    }
    let names = try entries(ofFolder: destination).map(\.name)
    if names.isEmpty { return true }
    guard overwriting else {
      throw ShardsError(
        place: destination, expected: "an empty folder, or none",
        found: "\(names.count) files in it",
        remedy: "name another folder, or replace the shards with --overwrite")
    }
    let isOurs = { (name: String) in
      name == manifestName || name == manifestDigestName || name.hasSuffix(".h5")
    }
    guard names.contains(manifestName), let other = names.first(where: { !isOurs($0) }) else {
      guard names.contains(manifestName) else {
        throw ShardsError(
          place: destination, expected: "a shard folder to overwrite",
          found: "no \(manifestName) in it", remedy: "name another folder")
      }
      return true
    }
    throw ShardsError(
      place: destination, expected: "nothing but shards to overwrite", found: quoted(other),
      remedy: "move it away, or name another folder")
  }
}
