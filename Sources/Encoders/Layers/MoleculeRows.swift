import Kernels

/// The rows between CANINE's shallow layers: a row of n characters, a multiple of the rate, has
/// n / rate molecules. The first one stands for the whole row, as [CLS] does among characters, and molecule
/// m for the characters before those of its own place; those of the last place have none.
///
/// T characters, M molecules, S sequences.
final class MoleculeRows {
  let rate: Int
  private var capacity = Capacity()
  /// [S+1] and [S]
  private var bounds = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 1)
  private var keyCounts = UnsafeMutableBufferPointer<Int32>.allocate(capacity: 0)
  /// [M] each
  private var rows = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 0)
  private var positions = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 0)
  /// Of the batch that was taken last.
  private(set) var tokenRows: TokenRows?

  init(rate: Int) { self.rate = rate }

  deinit { deallocate() }

  private func deallocate() {
    bounds.deallocate()
    keyCounts.deallocate()
    rows.deallocate()
    positions.deallocate()
  }

  /// What buffers for a batch of that capacity must hold, by molecules.
  func capacity(_ whole: Capacity) -> Capacity {
    func quotient(_ count: Int, _ divisor: Int) -> Int { (count + divisor - 1) / divisor }
    return Capacity(
      tokens: quotient(whole.tokens, rate), sequences: whole.sequences,
      longest: quotient(whole.longest, rate), squares: quotient(whole.squares, rate * rate))
  }

  /// Makes room; what was taken is gone.
  func reserve(_ capacity: Capacity) {
    tokenRows = nil
    guard !self.capacity.holds(capacity) else { return }
    self.capacity = capacity
    deallocate()
    let count = self.capacity(capacity).tokens
    bounds = .allocate(capacity: capacity.sequences + 1)
    keyCounts = .allocate(capacity: capacity.sequences)
    rows = .allocate(capacity: count)
    positions = .allocate(capacity: count)
  }

  /// Takes a batch.
  ///
  /// A molecule is looked at where one character of its place is real: Hugging Face pools the mask by its
  /// maximum.
  ///
  /// - Precondition: All rows are multiples of the rate: `ModelConfiguration.batch` makes them so.
  func begin(_ pass: Pass) -> TokenRows {
    let characters = pass.tokens
    bounds[0] = 0
    for s in 0..<pass.sequences {
      let length = Int(characters.cumulativeLengths[s + 1] - characters.cumulativeLengths[s])
      precondition(length.isMultiple(of: rate), "rows are rounded up to the downsampling rate")
      let keys = characters.keyCounts.map { Int($0[s]) } ?? length
      keyCounts[s] = Int32((keys + rate - 1) / rate)
      let first = Int(bounds[s])
      bounds[s + 1] = Int32(first + length / rate)
      for position in 0..<length / rate {
        rows[first + position] = characters.sequenceRows[s]
        positions[first + position] = UInt32(position)
      }
    }
    guard let rowBase = rows.baseAddress, let positionBase = positions.baseAddress,
      let keyBase = keyCounts.baseAddress
    else { preconditionFailure("a batch has rows") }
    let taken = TokenRows(
      parts: characters.parts.scaled { $0 / rate },
      at: TokenCoordinates(rows: rowBase, positions: positionBase),
      cumulativeLengths: UnsafeBufferPointer(rebasing: bounds[...pass.sequences]),
      sequenceRows: characters.sequenceRows, keyCounts: UnsafePointer(keyBase))
    tokenRows = taken
    return taken
  }
}
