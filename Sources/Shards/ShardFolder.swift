import Manifests

/// A data set: a shard folder, a folder of padded HDF5 files, or one such file.
///
/// Any rows can be read, in any order. A shard whose decoded rows fit the memory bound is kept
/// decoded from its first use on, and its file is closed; of the others the 64 used last stay open
/// and are read through HDF5's cache of decoded chunks. Row offsets stay, 8 bytes a row.
///
/// A folder with a manifest opens no HDF5 file until rows are asked for: check the shards' hashes
/// with ``verifyShard(_:)`` first, sharing them between ranks, since a malformed file can crash the
/// HDF5 library itself. One thread at a time.
package final class ShardFolder {
  package let path: String
  package let rows: Int
  package let tokens: Int
  package let task: ShardTask
  package let labelNames: [String]
  /// No row has more tokens.
  package let maxLength: Int
  /// Of the tokenizer that made the ids; nil for padded files, which do not say.
  package let vocabularySHA256: String?
  package let hasPairs: Bool
  package let shardPaths: [String]
  /// What identifies the data: the SHA-256 of manifest.json, or, without one, of a list of the
  /// files' hashes and names.
  package let manifestSHA256: String

  private let manifest: ShardManifest?
  private let sealed: SealedFolder?
  private let description: ShardDescription
  private let shardTokens: [Int]
  private let isPadded: Bool
  private let memoryLimit: Int
  private var memoryUsed = 0
  /// [shards + 1] Rows before each shard.
  private let firstRows: [Int]
  private var loaded: [LoadedShard?]
  /// [shards][rows + 1] Tokens before each row, of the shards that were used.
  private var offsets: [[Int64]?]
  /// The used last come last.
  private var openShards: [Int] = []
  private static let maximumOpenShards = 64

  /// Opens a data set.
  ///
  /// With a manifest: checks it against manifest.sha256, and each file's presence and size. Without
  /// one: opens every file, reads its lengths, and hashes it for ``manifestSHA256``.
  ///
  /// - Parameters:
  ///   - memoryLimit: bytes of decoded rows to keep, over all shards.
  ///   - progress: called with the bytes of each block that is hashed; may throw to end it.
  package init(
    path: String, memoryLimit: Int = 256 << 20, progress: (Int) throws -> Void = { _ in }
  ) throws {
    self.path = path
    self.memoryLimit = memoryLimit
    let source = try DataSource(path: path, progress: progress)
    manifest = source.manifest
    sealed = source.sealed
    shardPaths = source.paths
    manifestSHA256 = source.identity
    task = source.description.task
    labelNames = source.description.labelNames
    maxLength = source.description.maxLength
    hasPairs = source.description.hasPairs
    vocabularySHA256 = source.isPadded ? nil : source.description.vocabularySHA256
    firstRows = source.rows.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    tokens = source.tokens.reduce(0, +)
    rows = firstRows[firstRows.count - 1]
    description = source.description
    shardTokens = source.tokens
    isPadded = source.isPadded
    loaded = source.paths.map { _ in nil }
    offsets = source.paths.map { _ in nil }
    guard rows > 0, rows <= Int(UInt32.max) else {
      throw ShardsError(
        place: path, expected: "1 to \(UInt32.max) rows", found: "\(rows)",
        remedy: "write the shards again")
    }
  }

  /// The tokens of some rows, without reading any.
  package func lengths(of rows: [Int]) throws -> [Int] {
    try rows.map { row in
      let (shard, local) = locate(row)
      let offsets = try offsets(of: shard)
      return Int(offsets[local + 1] - offsets[local])
    }
  }

  /// Some rows, in the order asked; a row may be asked for twice.
  package func read(_ rows: [Int]) throws -> RowBatch {
    var batch = RowBatch(task, hasPairs: hasPairs)
    for row in rows {
      let (shard, local) = locate(row)
      let (part, index) = try source(of: local, in: shard)
      _ = try checkedTokenCount(batch.inputIDs.count + part.tokens(of: index).count, path)
      batch.append(index, of: part, as: UInt32(row), labelCount: labelNames.count)
    }
    return batch
  }

  /// What names a row: its id in the data set, or its number from 0.
  package func rowID(_ row: Int) throws -> String {
    let (shard, local) = locate(row)
    return try open(shard).rowID(local) ?? String(row)
  }

  /// What question answering has of each row beside its tokens, in order: the row, the question's id, and
  /// the context. Windows of one question have its id and follow each other. Nothing but a row is held.
  ///
  /// - Throws: `ShardsError` naming the dataset, and what `body` throws.
  /// - Precondition: The task is question answering.
  package func forEachAnswerContext(
    _ body: (_ row: Int, _ id: String, _ context: AnswerContext) throws -> Void
  ) throws {
    precondition(task == .questionAnswering, "\(task.rawValue) has no contexts")
    for shard in shardPaths.indices {
      let content = try open(shard)
      for row in firstRows[shard]..<firstRows[shard + 1] {
        let local = row - firstRows[shard]
        guard let context = try content.answerContext(local) else {
          throw ShardsError(
            place: shardPaths[shard], expected: "contexts of answers", found: "none",
            remedy: "cut the shards with lockstep shard --task question-answering")
        }
        try body(row, content.rowID(local) ?? String(row), context)
      }
    }
  }

  /// Compares a shard's size and SHA-256 with the manifest. Without one there is nothing to
  /// compare, and nothing is done.
  ///
  /// - Parameter progress: called with the bytes of each block once it is hashed; may throw to end it.
  package func verifyShard(
    _ index: Int, progress: (Int) throws -> Void = { _ in }
  ) throws {
    guard let sealed, let manifest else { return }
    let file = manifest.files[index]
    try sealed.check(
      FileRecord(name: file.name, bytes: file.bytes, sha256: file.sha256), progress: progress)
  }

  /// The shard that has a row, and the row's number in it.
  private func locate(_ row: Int) -> (shard: Int, row: Int) {
    precondition(row >= 0 && row < rows, "row \(row) of \(rows)")
    var (low, high) = (0, firstRows.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstRows[middle] <= row { low = middle } else { high = middle }
    }
    return (low, row - firstRows[low])
  }

  private func offsets(of shard: Int) throws -> [Int64] {
    if let offsets = offsets[shard] { return offsets }
    _ = try load(shard)
    return offsets[shard] ?? []
  }

  /// A batch that has a row of a shard, and where.
  private func source(of row: Int, in shard: Int) throws -> (batch: RowBatch, index: Int) {
    switch try load(shard) {
    case .decoded(let batch): (batch, row)
    case .open(let content): (try content.read(row..<row + 1), 0)
    }
  }

  private func load(_ shard: Int) throws -> LoadedShard {
    if let found = loaded[shard] {
      if case .open = found { markUsed(shard) }
      return found
    }
    let content = try open(shard)
    let new: LoadedShard
    if content.decodedBytes <= memoryLimit - memoryUsed {
      new = .decoded(try content.read(0..<content.offsets.count - 1))
      memoryUsed += content.decodedBytes
    } else {
      new = .open(content)
      markUsed(shard)
    }
    loaded[shard] = new
    offsets[shard] = content.offsets
    return new
  }

  private func open(_ shard: Int) throws -> any ShardContent {
    if case .open(let content) = loaded[shard] { return content }
    if isPadded { return try PaddedShard(path: shardPaths[shard], offsets: offsets[shard]) }
    return try PackedShard(
      path: shardPaths[shard], description, rows: firstRows[shard + 1] - firstRows[shard],
      tokens: shardTokens[shard], knownOffsets: offsets[shard])
  }

  /// Notes that an open shard was used, and closes the one that was unused for longest when there
  /// are too many: files and their caches are finite.
  private func markUsed(_ shard: Int) {
    openShards.removeAll { $0 == shard }
    openShards.append(shard)
    guard openShards.count > Self.maximumOpenShards else { return }
    let oldest = openShards.removeFirst()
    loaded[oldest] = nil
  }
}

/// A shard in use: all of its rows, or its file.
private enum LoadedShard {
  case decoded(RowBatch)
  case open(any ShardContent)
}
