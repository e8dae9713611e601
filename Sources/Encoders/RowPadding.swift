// Rows for architectures that see several tokens at once: rounded up with padding that is computed.
// Everything that makes batches for a model makes them here.

import Kernels

extension ModelConfiguration {
  /// What the lengths of a batch's rows are multiples of; 1 but for CANINE.
  package var rowMultiple: Int {
    guard case .characters(let canine) = particulars else { return 1 }
    return canine.downsamplingRate
  }

  private var paddingToken: Int32 {
    guard case .characters(let canine) = particulars else { return 0 }
    return canine.paddingCharacter
  }

  /// Rows as the model takes them, each rounded up to ``rowMultiple``.
  ///
  /// T real tokens, S rows.
  ///
  /// - Parameters:
  ///   - inputIDs: [T]
  ///   - typeIDs: [T], or nil where every token is of type 0. Padding is of type 0.
  ///   - cumulativeLengths: [S+1] By real tokens.
  ///   - rows: [S] Rows in the data set.
  ///   - parts: The micro-batches, by rows; nil for one.
  ///   - masked: The tokens whose words are to be predicted, by real tokens.
  package func batch(
    inputIDs: [Int32], typeIDs: [UInt8]? = nil, cumulativeLengths: [Int32], rows: [UInt32],
    parts: Parts? = nil, masked: [Int32] = []
  ) -> PackedBatch {
    let multiple = Int32(rowMultiple)
    guard multiple > 1 else {
      return PackedBatch(
        inputIDs: inputIDs, typeIDs: typeIDs, cumulativeLengths: cumulativeLengths, rows: rows,
        parts: parts, masked: masked)
    }
    precondition(masked.isEmpty, "no family whose rows are rounded up predicts words")
    let lengths = zip(cumulativeLengths.dropFirst(), cumulativeLengths).map { $0 - $1 }
    var bounds: [Int32] = [0]
    for length in lengths {
      bounds.append(bounds[bounds.count - 1] + (length + multiple - 1) / multiple * multiple)
    }
    let padding = RowPadding(lengths: lengths, cumulativeLengths: bounds)
    return PackedBatch(
      inputIDs: padding.added(to: inputIDs, of: paddingToken),
      typeIDs: typeIDs.map { padding.added(to: $0, of: 0) }, cumulativeLengths: bounds,
      rows: rows, parts: parts, keyCounts: lengths)
  }
}

extension PackedBatch {
  /// [T] A value for each token, from one for each real one.
  ///
  /// - Parameter value: Padding's, e.g. `Targets.noTag`.
  package func withPadding<Value>(_ values: [Value], of value: Value) -> [Value] {
    padding?.added(to: values, of: value) ?? values
  }

  /// The values of the real tokens, row after row, from `columns` values for each token [T, columns].
  package func withoutPadding<Value>(_ values: [Value], columns: Int = 1) -> [Value] {
    padding?.removed(from: values, columns: columns) ?? values
  }

  /// nil where all tokens are real.
  private var padding: RowPadding? {
    keyCounts.map { RowPadding(lengths: $0, cumulativeLengths: cumulativeLengths) }
  }
}

/// Where rows of a batch end, and where their padding does.
private struct RowPadding {
  /// [S] Real tokens of each row.
  let lengths: [Int32]
  /// [S+1] With padding.
  let cumulativeLengths: [Int32]

  func added<Value>(to values: [Value], of value: Value) -> [Value] {
    var all: [Value] = []
    all.reserveCapacity(Int(cumulativeLengths[lengths.count]))
    var first = 0
    for (row, length) in lengths.enumerated() {
      all += values[first..<first + Int(length)]
      all += repeatElement(value, count: Int(cumulativeLengths[row + 1]) - all.count)
      first += Int(length)
    }
    return all
  }

  func removed<Value>(from values: [Value], columns: Int) -> [Value] {
    lengths.indices.flatMap { row in
      let start = Int(cumulativeLengths[row])
      return values[start * columns..<(start + Int(lengths[row])) * columns]
    }
  }
}
