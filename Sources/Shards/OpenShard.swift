import HDF5

/// A shard that is being written: each dataset grows by whole chunks.
struct OpenShard: ~Copyable {
  private(set) var rows = 0
  private(set) var tokens = 0

  private let description: ShardDescription
  private var inputIDs: Column<Int32>
  private var offsets: Column<Int64>
  private var typeIDs: Column<UInt8>?
  private var rowIDs: Column<UInt8>
  private var rowIDOffsets: Column<Int64>
  private var floatLabels: Column<Float>?
  private var integerLabels: Column<Int32>?
  private var contexts: ContextColumns?
  private var rowIDBytes = 0
  // Last, so that the datasets end before their file.
  private let file: File

  init(path: String, _ description: ShardDescription) throws {
    let file = try File(creating: path)
    let inputIDs = try Column<Int32>(ShardFormat.inputIDs, in: file)
    var offsets = try Column<Int64>(ShardFormat.offsets, in: file)
    let typeIDs =
      description.hasPairs ? try Column<UInt8>(ShardFormat.tokenTypeIDs, in: file) : nil
    let rowIDs = try Column<UInt8>(ShardFormat.rowIDs, in: file)
    var rowIDOffsets = try Column<Int64>(ShardFormat.rowIDOffsets, in: file)
    let task = description.task
    let labelShape = task.labelShape(labelCount: description.labelNames.count)
    let floatLabels =
      task.hasFloatLabels
      ? try Column<Float>(ShardFormat.labels, rowShape: labelShape, in: file) : nil
    let integerLabels =
      task.hasFloatLabels
      ? nil : try Column<Int32>(ShardFormat.labels, rowShape: labelShape, in: file)
    let contexts = task == .questionAnswering ? try ContextColumns(in: file) : nil
    try offsets.append(CollectionOfOne(0))
    try rowIDOffsets.append(CollectionOfOne(0))
    self.description = description
    self.inputIDs = inputIDs
    self.offsets = offsets
    self.typeIDs = typeIDs
    self.rowIDs = rowIDs
    self.rowIDOffsets = rowIDOffsets
    self.floatLabels = floatLabels
    self.integerLabels = integerLabels
    self.contexts = contexts
    self.file = file
  }

  mutating func append(
    _ ids: [Int32], _ types: [UInt8]?, _ rowID: String, _ labels: RowLabels,
    _ context: AnswerContext?
  ) throws {
    try inputIDs.append(ids)
    if let types { try typeIDs?.append(types) }
    try rowIDs.append(rowID.utf8)
    try floatLabels?.append(labels.floats)
    try integerLabels?.append(labels.integers)
    if let context { try contexts?.append(context) }
    rows += 1
    tokens += ids.count
    rowIDBytes += rowID.utf8.count
    try offsets.append(CollectionOfOne(Int64(tokens)))
    try rowIDOffsets.append(CollectionOfOne(Int64(rowIDBytes)))
  }

  /// Writes what is left and the attributes, and closes the file.
  consuming func finish() throws {
    try inputIDs.finish()
    try offsets.finish()
    if let typeIDs { try typeIDs.finish() }
    try rowIDs.finish()
    try rowIDOffsets.finish()
    if let floatLabels { try floatLabels.finish() }
    if let integerLabels { try integerLabels.finish() }
    if let contexts { try contexts.finish() }
    try ShardFormat.writeAttributes(description, rows: rows, tokens: tokens, to: file)
    try file.close()
  }
}

/// What question answering has beside tokens and labels.
private struct ContextColumns: ~Copyable {
  private var records: Column<UInt8>
  private var offsets: Column<Int64>
  private var ranges: Column<Int32>
  private var bytes = 0
  private var last: AnswerContext?

  init(in file: borrowing File) throws {
    let records = try Column<UInt8>(ShardFormat.contexts, in: file)
    var offsets = try Column<Int64>(ShardFormat.contextOffsets, in: file)
    let ranges = try Column<Int32>(ShardFormat.contextRanges, rowShape: [2], in: file)
    try offsets.append(CollectionOfOne(0))
    self.records = records
    self.offsets = offsets
    self.ranges = ranges
  }

  /// Windows of a question after the first have no record of their own.
  mutating func append(_ context: AnswerContext) throws {
    let record = last.map(context.hasRecord(of:)) == true ? [] : try context.record()
    last = context
    try records.append(record)
    try ranges.append(context.bounds)
    bytes += record.count
    try offsets.append(CollectionOfOne(Int64(bytes)))
  }

  consuming func finish() throws {
    try records.finish()
    try offsets.finish()
    try ranges.finish()
  }
}

/// A dataset and the chunk of it that is being filled.
private struct Column<T: Element>: ~Copyable {
  private var dataset: Dataset
  private var pending: [T] = []
  private let chunkElements: Int

  init(_ name: String, rowShape: [Int] = [], in file: borrowing File) throws {
    let rowElements = rowShape.reduce(1, *)
    let chunkRows = ShardFormat.chunkRows(rowBytes: rowElements * T.datatype.bytes)
    dataset = try Dataset(
      creating: name, of: T.self, rowShape: rowShape, chunkRows: chunkRows, in: file)
    chunkElements = chunkRows * rowElements
  }

  mutating func append(_ values: some Collection<T>) throws {
    pending += values
    guard pending.count >= chunkElements else { return }
    let whole = pending.count / chunkElements * chunkElements
    try dataset.append(Array(pending[..<whole]))
    pending.removeSubrange(..<whole)
  }

  consuming func finish() throws {
    try dataset.append(pending)
    try dataset.close()
  }
}
