import HDF5
import Manifests

/// A shard in lockstep's own form, open for reading.
///
/// The offsets are held in memory, 8 bytes a row; tokens and labels are read as they are asked
/// for, through HDF5's cache of decoded chunks.
final class PackedShard: ShardContent {
  let offsets: [Int64]
  private let task: ShardTask
  private let labelCount: Int
  private let hasPairs: Bool
  private let inputIDs: Dataset
  private let typeIDs: Dataset?
  private let labels: Dataset
  // Opened when they are asked for first: training does not.
  private var rowIDs: RowBytes?
  private var contexts: RowBytes?
  private var contextRanges: Dataset?
  /// The last one that was asked for, and its row: windows of a question share one.
  private var lastContext: (row: Int, record: ContextRecord)?
  private let file: File

  /// Decoded chunks of a dataset that stay in memory while the file is open: 32 of them.
  fileprivate static let cacheBytes = 1 << 20

  /// Opens a shard that must have what is expected of it.
  ///
  /// - Parameter knownOffsets: what opening it before gave, so that they need not be read again.
  init(
    path: String, _ description: ShardDescription, rows: Int, tokens: Int,
    knownOffsets: [Int64]? = nil
  ) throws {
    let file = try File(reading: path)
    try Self.checkAttributes(of: file, description, rows: rows, tokens: tokens)
    let inputIDs = try Dataset(ShardFormat.inputIDs, in: file, cacheBytes: Self.cacheBytes)
    try inputIDs.expect(.integer(bits: 32, signed: true), shape: [tokens])
    let hasPairs = description.hasPairs
    let typeIDs =
      hasPairs
      ? try Dataset(ShardFormat.tokenTypeIDs, in: file, cacheBytes: Self.cacheBytes) : nil
    try typeIDs?.expect(.integer(bits: 8, signed: false), shape: [tokens])
    let labels = try Dataset(ShardFormat.labels, in: file, cacheBytes: Self.cacheBytes)
    let task = description.task
    try labels.expect(
      task.hasFloatLabels ? .float(bits: 32) : .integer(bits: 32, signed: true),
      shape: [task.labelsTokens ? tokens : rows]
        + task.labelShape(labelCount: description.labelNames.count))
    offsets =
      try knownOffsets ?? Self.readOffsets(of: file, description, rows: rows, tokens: tokens)
    self.task = task
    labelCount = description.labelNames.count
    self.hasPairs = hasPairs
    self.inputIDs = inputIDs
    self.typeIDs = typeIDs
    self.labels = labels
    self.file = file
  }

  var decodedBytes: Int {
    let tokens = Int(offsets[offsets.count - 1])
    let labelBytes = 4 * task.labelShape(labelCount: labelCount).reduce(1, *)
    return tokens * (hasPairs ? 5 : 4) + (task.labelsTokens ? tokens * labelBytes : 0)
      + (offsets.count - 1) * ((task.labelsTokens ? 0 : labelBytes) + 4)
  }

  func read(_ rows: Range<Int>) throws -> RowBatch {
    let first = offsets[rows.lowerBound]
    let tokens = Int(first)..<Int(offsets[rows.upperBound])
    _ = try checkedTokenCount(tokens.count, inputIDs.place)
    var batch = RowBatch(task, hasPairs: hasPairs)
    batch.inputIDs = try inputIDs.read(tokens)
    if let id = batch.inputIDs.first(where: { $0 < 0 }) {
      _ = try checkedID(Int64(id), inputIDs.place)
    }
    batch.typeIDs = try typeIDs?.read(tokens)
    let labelled = task.labelsTokens ? tokens : rows
    batch.labels =
      task.hasFloatLabels
      ? RowLabels(task, try labels.read(labelled) as [Float])
      : RowLabels(task, try labels.read(labelled) as [Int32])
    try batch.labels.check(
      labelCount: labelCount, lengths: rows.map { Int(offsets[$0 + 1] - offsets[$0]) },
      labels.place)
    for row in rows {
      batch.rows.append(UInt32(row))
      batch.cumulativeLengths.append(Int32(offsets[row + 1] - first))
    }
    return batch
  }

  func rowID(_ row: Int) throws -> String? {
    if rowIDs == nil {
      rowIDs = try RowBytes(
        ShardFormat.rowIDs, ShardFormat.rowIDOffsets, rows: offsets.count - 1, in: file)
    }
    guard let bytes = try rowIDs?.read(row) else { return nil }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ShardsError(
        place: "\(file.path):/\(ShardFormat.rowIDs)", expected: "UTF-8",
        found: "bytes that are not, in row \(row)", remedy: "write the shards again")
    }
    return text
  }

  func answerContext(_ row: Int) throws -> AnswerContext? {
    guard task == .questionAnswering else { return nil }
    if contexts == nil {
      contexts = try RowBytes(
        ShardFormat.contexts, ShardFormat.contextOffsets, rows: offsets.count - 1, in: file)
      let ranges = try Dataset(ShardFormat.contextRanges, in: file, cacheBytes: Self.cacheBytes)
      try ranges.expect(
        .integer(bits: 32, signed: true), shape: [Int(offsets[offsets.count - 1]), 2])
      contextRanges = consume ranges
    }
    let bounds: [Int32]? = try contextRanges?.read(Int(offsets[row])..<Int(offsets[row + 1]))
    let place = "\(file.path):/\(ShardFormat.contexts)"
    guard let bounds else { return nil }
    let record = try contextRecord(row, place)
    lastContext = (row, record)
    return try AnswerContext(record: record, bounds: bounds, place)
  }

  /// A row without bytes has the record of the row before.
  private func contextRecord(_ row: Int, _ place: String) throws -> ContextRecord {
    var first = row
    while let bytes = try contexts?.read(first) {
      if !bytes.isEmpty { return try ContextRecord(json: bytes, place) }
      if let lastContext, lastContext.row == first || lastContext.row == first - 1 {
        return lastContext.record
      }
      guard first > 0 else { break }
      first -= 1
    }
    throw ShardsError(
      place: place, expected: "a context in the first row", found: "no bytes",
      remedy: "write the shards again")
  }

  private static func readOffsets(
    of file: borrowing File, _ description: ShardDescription, rows: Int, tokens: Int
  ) throws -> [Int64] {
    let dataset = try Dataset(ShardFormat.offsets, in: file)
    try dataset.expect(.integer(bits: 64, signed: true), shape: [rows + 1])
    let offsets: [Int64] = try dataset.read(0..<rows + 1)
    try checkOffsets(offsets, end: tokens, mostPerRow: description.maxLength, dataset.place)
    return offsets
  }

  private static func checkAttributes(
    of file: borrowing File, _ expected: ShardDescription, rows: Int, tokens: Int
  ) throws {
    let place = file.path
    let found = try ShardFormat.readAttributes(of: file)
    func check(_ name: String, _ expected: some Equatable, _ found: some Equatable) throws {
      guard "\(expected)" == "\(found)" else {
        throw ShardsError(
          place: "\(place) attribute \(name)",
          expected: "\(quoted("\(expected)")), as its folder has",
          found: quoted("\(found)"), remedy: "use the shards of one folder together")
      }
    }
    try check("task", expected.task.rawValue, found.description.task.rawValue)
    try check("label_names", expected.labelNames, found.description.labelNames)
    try check("max_length", expected.maxLength, found.description.maxLength)
    try check(
      "vocabulary_sha256", expected.vocabularySHA256, found.description.vocabularySHA256)
    try check("rows", rows, found.rows)
    try check("tokens", tokens, found.tokens)
  }
}

/// The bytes of all rows, one row's after the other's.
private struct RowBytes: ~Copyable {
  private let bytes: Dataset
  private let offsets: Dataset

  /// - Throws: Errors that name a dataset of another type or shape.
  init(_ name: String, _ offsetsName: String, rows: Int, in file: borrowing File) throws {
    let bytes = try Dataset(name, in: file, cacheBytes: PackedShard.cacheBytes)
    try bytes.expect(.integer(bits: 8, signed: false), shape: [bytes.shape[0]])
    let offsets = try Dataset(offsetsName, in: file, cacheBytes: PackedShard.cacheBytes)
    try offsets.expect(.integer(bits: 64, signed: true), shape: [rows + 1])
    self.bytes = bytes
    self.offsets = offsets
  }

  func read(_ row: Int) throws -> [UInt8] {
    let ends: [Int64] = try offsets.read(row..<row + 2)
    guard 0 <= ends[0], ends[0] <= ends[1], ends[1] <= Int64(bytes.shape[0]) else {
      throw ShardsError(
        place: offsets.place, expected: "rising offsets within \(bytes.shape[0]) bytes",
        found: "\(ends[0]) and \(ends[1])", remedy: "write the shards again")
    }
    return try bytes.read(Int(ends[0])..<Int(ends[1]))
  }
}

/// Offsets begin with 0, never fall, and end with `end`.
private func checkOffsets(
  _ offsets: [Int64], end: Int, mostPerRow: Int, _ place: String
) throws {
  func failure(_ expected: String, _ found: String) -> ShardsError {
    ShardsError(
      place: place, expected: expected, found: found, remedy: "write the shards again")
  }
  guard offsets.first == 0, offsets.last == Int64(end) else {
    throw failure(
      "offsets from 0 to \(end)", "\(offsets.first ?? -1) to \(offsets.last ?? -1)")
  }
  for row in 0..<offsets.count - 1 {
    let (begin, next) = (offsets[row], offsets[row + 1])
    guard begin <= next, next <= Int64(end) else {
      throw failure("rising offsets", "\(begin) and then \(next) at row \(row)")
    }
    guard next - begin <= Int64(mostPerRow) else {
      throw failure("at most \(mostPerRow) tokens a row", "\(next - begin) in row \(row)")
    }
  }
}

extension Dataset {
  /// Throws unless the dataset has this type and shape.
  func expect(_ type: Datatype, shape: [Int]) throws {
    guard datatype == type, self.shape == shape else {
      throw ShardsError(
        place: place, expected: "\(type) \(shape)", found: "\(datatype) \(self.shape)",
        remedy: "write the shards again")
    }
  }
}
