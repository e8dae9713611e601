import Kernels

/// A packed batch as kernels read it: stable pointers, owned by the batch.
///
/// T tokens, S sequences.
final class BatchCoordinates: @unchecked Sendable {
  /// [T]
  let inputIDs: UnsafePointer<Int32>
  /// [T], or nil where every token is of type 0
  let typeIDs: UnsafePointer<UInt8>?
  /// [T]: row in the dataset and place in its sequence
  let tokens: TokenCoordinates
  /// [S+1]
  let cumulativeLengths: UnsafeBufferPointer<Int32>
  /// [S]
  let sequenceRows: UnsafePointer<UInt32>
  /// [S]: index of each sequence's first token
  let firstTokens: UnsafePointer<Int32>
  /// [S]: how many of a sequence's tokens are real, the first ones; nil for all.
  let keyCounts: UnsafePointer<Int32>?
  /// The tokens whose words were hidden; nil for none.
  let masked: MaskedTokens?

  // Nothing changes after init, which is what makes sharing between threads safe.
  init(
    inputIDs: [Int32], typeIDs: [UInt8]?, cumulativeLengths: [Int32], rows: [UInt32],
    tokenRows: [UInt32], positions: [UInt32], keyCounts: [Int32]?, masked: [Int32]
  ) {
    self.inputIDs = copy(inputIDs)
    self.typeIDs = typeIDs.map(copy)
    self.cumulativeLengths = UnsafeBufferPointer(
      start: copy(cumulativeLengths), count: cumulativeLengths.count)
    sequenceRows = copy(rows)
    firstTokens = copy(Array(cumulativeLengths.dropLast()))
    tokens = TokenCoordinates(rows: copy(tokenRows), positions: copy(positions))
    self.keyCounts = keyCounts.map(copy)
    self.masked =
      masked.isEmpty ? nil : MaskedTokens(tokens: copy(masked), count: masked.count)
  }

  deinit {
    inputIDs.deallocate()
    typeIDs?.deallocate()
    cumulativeLengths.deallocate()
    sequenceRows.deallocate()
    firstTokens.deallocate()
    tokens.rows.deallocate()
    tokens.positions.deallocate()
    keyCounts?.deallocate()
    masked?.tokens.deallocate()
  }
}

/// Tokens of a batch whose words a head predicts.
///
/// M tokens.
struct MaskedTokens {
  /// [M] In rising order.
  let tokens: UnsafePointer<Int32>
  /// M
  let count: Int
}

private func copy<Element: BitwiseCopyable>(_ values: [Element]) -> UnsafePointer<Element> {
  let pointer = UnsafeMutablePointer<Element>.allocate(capacity: max(1, values.count))
  values.withUnsafeBufferPointer { source in
    if let base = source.baseAddress { pointer.initialize(from: base, count: source.count) }
  }
  return UnsafePointer(pointer)
}
