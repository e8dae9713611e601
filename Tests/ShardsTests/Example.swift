import HDF5
import Manifests

@testable import Shards

/// Rows whose every value tells where it belongs.
struct Example {
  var rows: Int
  var hasPairs = false
  var labelNames = ["anger", "joy", "très 🙂"]
  var maxLength = 64
  static let vocabulary = String(repeating: "ab", count: 32)

  /// 0 to 63 tokens.
  func ids(_ row: Int) -> [Int32] {
    (0..<(row * 7919 + 5) % maxLength).map { Int32(row % 30_000 + $0 * 3) }
  }

  func types(_ row: Int) -> [UInt8]? {
    hasPairs ? ids(row).indices.map { UInt8($0 % 2) } : nil
  }

  func labels(_ row: Int) -> [Float] {
    labelNames.indices.map { Float((row >> $0) & 1) }
  }

  func rowID(_ row: Int) -> String { row % 5 == 0 ? "" : "id-\(row)-é" }

  var description: ShardDescription {
    ShardDescription(
      labelNames: labelNames, maxLength: maxLength, vocabularySHA256: Self.vocabulary,
      hasPairs: hasPairs)
  }

  @discardableResult
  func write(to path: String, shards: Int? = nil, overwriting: Bool = false) throws
    -> ShardManifest
  {
    let writer = try ShardWriter(
      destination: path, description: description, rows: rows, shards: shards,
      overwriting: overwriting)
    for row in 0..<rows {
      try writer.append(
        ids: ids(row), typeIDs: types(row), rowID: rowID(row), labels: labels(row))
    }
    return try writer.finish()
  }

  /// What reading these rows must give.
  func batch(_ rows: [Int]) -> RowBatch {
    var batch = RowBatch(.multiLabel, hasPairs: hasPairs)
    for row in rows {
      batch.rows.append(UInt32(row))
      batch.inputIDs += ids(row)
      if let types = types(row) { batch.typeIDs?.append(contentsOf: types) }
      batch.cumulativeLengths.append(Int32(batch.inputIDs.count))
      batch.labels.append(RowLabels(.multiLabel, labels(row)))
    }
    return batch
  }
}

/// A packed shard with anything in it, as a stranger could write it.
struct HandmadeShard {
  var ids: [Int32] = [5, 6, 7, 8, 9]
  var offsets: [Int64] = [0, 2, 2, 5]
  var labels: [Float] = [0, 1, 1, 0, 0, 0]
  var rowIDs: [UInt8] = Array("abc".utf8)
  var rowIDOffsets: [Int64] = [0, 1, 2, 3]
  var attributes: [String: Int64] = ["version": 1, "max_length": 16, "rows": 3, "tokens": 5]
  var task = "multi-label"
  var labelNames = ["x", "y"]
  var leftOut = ""
  var idsAsBytes = false

  func write(to path: String) throws {
    let file = try File(creating: path)
    if idsAsBytes {
      try add("input_ids", ids.map { UInt8($0) }, to: file)
    } else {
      try add("input_ids", ids, to: file)
    }
    try add("offsets", offsets, to: file)
    try add("labels", labels, width: labelNames.count, to: file)
    try add("row_ids", rowIDs, to: file)
    try add("row_id_offsets", rowIDOffsets, to: file)
    try file.writeAttribute("format", "lockstep-shards")
    try file.writeAttribute("task", task)
    try file.writeAttribute("label_names", labelNames)
    try file.writeAttribute("vocabulary_sha256", Example.vocabulary)
    for name in attributes.keys.sorted() where name != leftOut {
      try file.writeAttribute(name, attributes[name] ?? 0)
    }
    try file.close()
  }

  private func add<T: Element>(
    _ name: String, _ values: [T], width: Int? = nil, to file: borrowing File
  ) throws {
    guard name != leftOut else { return }
    var dataset = try Dataset(
      creating: name, of: T.self, rowShape: width.map { [$0] } ?? [], chunkRows: 4, in: file)
    try dataset.append(values)
    try dataset.close()
  }
}
