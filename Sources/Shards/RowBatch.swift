/// Rows of a data set, packed: their tokens one after the other, without padding.
///
/// Shapes: T tokens, S rows, L labels.
package struct RowBatch: Sendable, Equatable {
  /// [S] The rows' indices in the data set.
  package internal(set) var rows: [UInt32] = []
  /// [T]
  package internal(set) var inputIDs: [Int32] = []
  /// [T], or nil where rows are single texts.
  package internal(set) var typeIDs: [UInt8]?
  /// [S + 1] Row s has the tokens cumulativeLengths[s] ..< cumulativeLengths[s + 1].
  package internal(set) var cumulativeLengths: [Int32] = [0]
  package internal(set) var labels: RowLabels

  init(_ task: ShardTask, hasPairs: Bool) {
    typeIDs = hasPairs ? [] : nil
    labels = RowLabels(task)
  }

  /// The tokens of row `s` of the batch.
  func tokens(of s: Int) -> Range<Int> {
    Int(cumulativeLengths[s])..<Int(cumulativeLengths[s + 1])
  }

  /// Appends row `s` of another batch of the same data set.
  mutating func append(_ s: Int, of other: RowBatch, as row: UInt32, labelCount: Int) {
    let tokens = other.tokens(of: s)
    rows.append(row)
    inputIDs += other.inputIDs[tokens]
    if let types = other.typeIDs { typeIDs?.append(contentsOf: types[tokens]) }
    cumulativeLengths.append(Int32(inputIDs.count))
    labels.append(s, tokens: tokens, of: other.labels, labelCount: labelCount)
  }
}
