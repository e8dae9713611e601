import HDF5
import Manifests

/// A shard in the usual padded form, as scripts write it with h5py.
///
/// input_ids [rows, n] and attention_mask [rows, n] of any integer type, token_type_ids [rows, n]
/// where there are pairs. The attribute task says what labels are, multi-label without one:
/// [rows, L] of any number type (multi-label), [rows] of integers (multi-class), [rows] of numbers
/// (regression), or [rows, n] of integers (token-classification), -100 for tokens without a tag. Label
/// names from the attribute label_names where there is one. Tokens whose mask is 0 are left out on
/// reading, and their tags with them.
final class PaddedShard: ShardContent {
  let offsets: [Int64]
  let task: ShardTask
  let labelNames: [String]
  let hasPairs: Bool
  /// n
  let width: Int
  private let inputIDs: Dataset
  private let mask: Dataset
  private let typeIDs: Dataset?
  private let labels: Dataset
  private let file: File

  private static let cacheBytes = 1 << 20
  private static let maximumLabels = 1 << 16
  /// Values of a dataset that are read at once while scanning.
  private static let blockElements = 1 << 20

  /// Opens the file and reads its mask, from which the rows' lengths come.
  ///
  /// - Parameter offsets: what opening it before gave, so that the mask need not be read again.
  init(path: String, offsets: [Int64]? = nil) throws {
    let file = try File(reading: path)
    let inputIDs = try Dataset(ShardFormat.inputIDs, in: file, cacheBytes: Self.cacheBytes)
    try inputIDs.expectTable(of: "integers", { $0.isInteger })
    let mask = try Dataset(ShardFormat.attentionMask, in: file, cacheBytes: Self.cacheBytes)
    try mask.expectTable(of: "integers", { $0.isInteger }, like: inputIDs)
    let hasPairs = try file.contains(ShardFormat.tokenTypeIDs)
    let typeIDs =
      hasPairs
      ? try Dataset(ShardFormat.tokenTypeIDs, in: file, cacheBytes: Self.cacheBytes) : nil
    try typeIDs?.expectTable(of: "integers", { $0.isInteger }, like: inputIDs)
    let labels = try Dataset(ShardFormat.labels, in: file, cacheBytes: Self.cacheBytes)
    task = try Self.task(of: file)
    let expected = try Self.checkShape(of: labels, task, rows: inputIDs.shape[0], inputIDs.shape[1])
    labelNames = try Self.labelNames(of: file, labels, task, columns: expected)
    width = inputIDs.shape[1]
    self.offsets = try offsets ?? Self.offsets(of: mask)
    self.hasPairs = hasPairs
    self.inputIDs = inputIDs
    self.mask = mask
    self.typeIDs = typeIDs
    self.labels = labels
    self.file = file
  }

  var decodedBytes: Int {
    let tokens = Int(offsets[offsets.count - 1])
    let labelBytes = 4 * task.labelShape(labelCount: labelNames.count).reduce(1, *)
    return tokens * (hasPairs ? 5 : 4) + (task.labelsTokens ? 4 * tokens : 0)
      + (offsets.count - 1) * ((task.labelsTokens ? 0 : labelBytes) + 4)
  }

  func read(_ rows: Range<Int>) throws -> RowBatch {
    var batch = RowBatch(task, hasPairs: hasPairs)
    let blockRows = max(1, Self.blockElements / max(1, width))
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: blockRows) {
      try readBlock(start..<min(start + blockRows, rows.upperBound), into: &batch)
    }
    return batch
  }

  private func readBlock(_ rows: Range<Int>, into batch: inout RowBatch) throws {
    let mask: [UInt8] = try self.mask.read(rows)
    let ids: [Int64] = try inputIDs.read(rows)
    let types: [Int64]? = try typeIDs?.read(rows)
    for (index, row) in rows.enumerated() {
      for position in index * width..<(index + 1) * width where mask[position] == 1 {
        batch.inputIDs.append(try checkedID(ids[position], inputIDs.place))
        if let types { batch.typeIDs?.append(try checkedType(types[position])) }
      }
      batch.rows.append(UInt32(row))
      batch.cumulativeLengths.append(
        try checkedTokenCount(batch.inputIDs.count, inputIDs.place))
    }
    let block = try readLabels(rows, mask)
    try block.check(labelCount: labelNames.count, lengths: [], labels.place)
    batch.labels.append(block)
  }

  private func readLabels(_ rows: Range<Int>, _ mask: [UInt8]) throws -> RowLabels {
    if task.hasFloatLabels { return RowLabels(task, try labels.read(rows) as [Float]) }
    let values: [Int64] = try labels.read(rows)
    let kept = task.labelsTokens ? zip(values, mask).filter { $1 == 1 }.map(\.0) : values
    // What does not fit is no label either, and is named as it is.
    return RowLabels(
      task,
      try kept.map { value in
        guard let label = Int32(exactly: value) else {
          throw ShardsError(
            place: labels.place, expected: "labels from 0 to \(labelNames.count - 1)",
            found: "\(value)", remedy: "write the file again")
        }
        return label
      })
  }

  func rowID(_ row: Int) throws -> String? { nil }

  func answerContext(_ row: Int) throws -> AnswerContext? { nil }

  private static func task(of file: borrowing File) throws -> ShardTask {
    guard let name = try file.stringAttribute("task") else { return .multiLabel }
    let known: [ShardTask] = [.multiLabel, .multiClass, .regression, .tokenClassification]
    guard let task = ShardTask(rawValue: name), known.contains(task) else {
      throw ShardsError(
        place: "\(file.path) attribute task",
        expected: "one of \(known.map(\.rawValue).joined(separator: ", "))", found: quoted(name),
        remedy: "cut such data with lockstep shard")
    }
    return task
  }

  /// - Returns: The labels of a table with a column for each; nil where values are numbered labels.
  private static func checkShape(
    of labels: borrowing Dataset, _ task: ShardTask, rows: Int, _ width: Int
  ) throws -> Int? {
    let shape = labels.shape
    let isNumber = task.hasFloatLabels ? labels.datatype.isNumber : labels.datatype.isInteger
    let isRight =
      switch task {
      case .multiLabel: shape.count == 2 && shape[0] == rows && shape[1] > 0
      case .tokenClassification: shape == [rows, width]
      default: shape == [rows]
      }
    guard isNumber, isRight else {
      let axis = task == .multiLabel ? ", labels" : task == .tokenClassification ? ", \(width)" : ""
      throw ShardsError(
        place: labels.place,
        expected: "\(task.hasFloatLabels ? "numbers" : "integers") [\(rows)\(axis)]",
        found: "\(labels.datatype) \(shape)",
        remedy: "write the labels of \(task.rawValue) for each row of input_ids")
    }
    guard task == .multiLabel else { return task == .regression ? 1 : nil }
    // Names are made up for as many columns as a compressed file of a few kilobytes can declare.
    guard shape[1] <= maximumLabels else {
      throw ShardsError(
        place: labels.place, expected: "at most \(maximumLabels) labels",
        found: "\(shape[1])", remedy: "write the rows along the first axis")
    }
    return shape[1]
  }

  /// Names from the file, else made up for as many labels as there are.
  private static func labelNames(
    of file: borrowing File, _ labels: borrowing Dataset, _ task: ShardTask, columns: Int?
  ) throws -> [String] {
    if let names = try file.stringsAttribute("label_names") {
      guard columns == nil || names.count == columns, !names.isEmpty else {
        throw ShardsError(
          place: "\(file.path) attribute label_names", expected: "\(columns ?? 1) names",
          found: "\(names.count)", remedy: "write a name for each label")
      }
      return names
    }
    if let columns { return (0..<columns).map { "LABEL_\($0)" } }
    // The largest label says how many there are.
    var largest: Int64 = 0
    let blockRows = max(1, blockElements / max(1, labels.shape.dropFirst().reduce(1, *)))
    for start in stride(from: 0, to: labels.shape[0], by: blockRows) {
      let values: [Int64] = try labels.read(start..<min(start + blockRows, labels.shape[0]))
      largest = max(largest, values.max() ?? 0)
    }
    guard largest < ShardFormat.mostLabels else {
      throw ShardsError(
        place: labels.place, expected: "labels below \(ShardFormat.mostLabels)",
        found: "\(largest)", remedy: "write the attribute label_names, or another task")
    }
    return (0...largest).map { "LABEL_\($0)" }
  }

  private func checkedType(_ type: Int64) throws -> UInt8 {
    guard let type = UInt8(exactly: type) else {
      throw ShardsError(
        place: "\(file.path):/\(ShardFormat.tokenTypeIDs)", expected: "token types from 0 to 255",
        found: "\(type)", remedy: "write the file again")
    }
    return type
  }

  private static func offsets(of mask: borrowing Dataset) throws -> [Int64] {
    let (rows, width) = (mask.shape[0], mask.shape[1])
    var offsets: [Int64] = [0]
    let blockRows = max(1, blockElements / max(1, width))
    for start in stride(from: 0, to: rows, by: blockRows) {
      let block = start..<min(start + blockRows, rows)
      // As wide as any mask, so that no other value is clamped to 1.
      let values: [Int64] = try mask.read(block)
      for index in 0..<block.count {
        var length: Int64 = 0
        for value in values[index * width..<(index + 1) * width] {
          guard value == 0 || value == 1 else {
            throw ShardsError(
              place: mask.place, expected: "0 or 1", found: "\(value) in row \(start + index)",
              remedy: "write 1 for tokens and 0 for padding")
          }
          length += value
        }
        offsets.append(offsets[offsets.count - 1] + length)
      }
    }
    return offsets
  }
}

extension Dataset {
  /// Throws unless the dataset is a table of this kind, of the shape of another where one is given.
  fileprivate func expectTable(of kind: String, _ isRight: (Datatype) -> Bool) throws {
    guard isRight(datatype), shape.count == 2 else {
      throw ShardsError(
        place: place, expected: "\(kind) [rows, n]", found: "\(datatype) \(shape)",
        remedy: "write it as a table of \(kind)")
    }
  }

  fileprivate func expectTable(
    of kind: String, _ isRight: (Datatype) -> Bool, like other: borrowing Dataset
  ) throws {
    try expectTable(of: kind, isRight)
    guard shape == other.shape else {
      throw ShardsError(
        place: place, expected: "the shape \(other.shape) of input_ids", found: "\(shape)",
        remedy: "write both with the same rows and width")
    }
  }
}
