/// Byte-level BPE: a word's bytes become tokens, and of neighbouring tokens those that were merged
/// first in training are merged first, from the left (Sennrich et al., 2016; Radford et al., 2019).
struct BytePairEncoding: Sendable {
  /// A pair of tokens that becomes one; its rank is its place in the list of merges.
  struct Merge: Sendable, Equatable {
    var left: Int32
    var right: Int32
    var result: Int32
  }

  /// By byte; nil for bytes that are no token of the vocabulary.
  private let byteIDs: [Int32?]
  private let merges: MergeTable
  /// What a byte without token becomes; nil if nothing.
  private let unknownID: Int32?
  /// Whether neighbouring bytes without token become one unknown token.
  private let fusesUnknown: Bool
  /// The tokens by their bytes if whole words are looked up before merging.
  private let wholeWords: ByteTrie?

  /// Up to as many symbols the best pair is searched for; in longer words a heap gives it.
  private static let maxSearched = 48

  init(
    byteIDs: [Int32?], merges: [Merge], unknownID: Int32?, fusesUnknown: Bool,
    wholeWords: ByteTrie?
  ) {
    self.byteIDs = byteIDs
    self.merges = MergeTable(merges)
    self.unknownID = unknownID
    self.fusesUnknown = fusesUnknown
    self.wholeWords = wholeWords
  }

  /// Appends the tokens of the word `text[word]`, which is not empty.
  @inline(__always)
  func tokenize(_ word: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput) {
    tokens.appendOnce(word, of: text) { merge(word, of: text, into: &$0) }
  }

  private struct Symbol {
    var id: Int32
    /// Where its bytes begin and end; empty for a symbol that was merged into the one before.
    var range: Range<Int>
    var previous: Int
    var next: Int
    /// Of the pair with the next symbol; `MergeTable.none` if they do not merge.
    var rank: UInt32
    var merged: Int32
  }

  private func merge(
    _ word: Range<Int>, of text: Span<UInt8>, into tokens: inout some TokenOutput
  ) {
    if let wholeWords, let id = wholeWords.value(of: word, in: text) {
      tokens.append(id, range: word)
      return
    }
    var symbols = symbols(of: word, in: text)
    for index in symbols.indices.dropLast() { updateRank(of: index, in: &symbols) }
    if symbols.count <= Self.maxSearched {
      mergeBySearch(&symbols)
    } else {
      mergeByHeap(&symbols)
    }
    for symbol in symbols where !symbol.range.isEmpty {
      tokens.append(symbol.id, range: symbol.range)
    }
  }

  private func symbols(of word: Range<Int>, in text: Span<UInt8>) -> [Symbol] {
    var symbols: [Symbol] = []
    symbols.reserveCapacity(word.count)
    var isAfterUnknown = false
    for position in word {
      let known = byteIDs[Int(text[position])]
      guard let id = known ?? unknownID else { continue }
      if known == nil, isAfterUnknown, fusesUnknown {
        let last = symbols.count - 1
        symbols[last].range = symbols[last].range.lowerBound..<position + 1
        continue
      }
      isAfterUnknown = known == nil
      symbols.append(
        Symbol(
          id: id, range: position..<position + 1, previous: symbols.count - 1,
          next: symbols.count + 1, rank: MergeTable.none, merged: 0))
    }
    return symbols
  }

  @inline(__always)
  private func updateRank(of index: Int, in symbols: inout [Symbol]) {
    let next = symbols[index].next
    if next >= symbols.count {
      symbols[index].rank = MergeTable.none
    } else {
      (symbols[index].rank, symbols[index].merged) =
        merges.lookUp(symbols[index].id, symbols[next].id)
    }
  }

  /// Merges the symbol with its next one.
  @inline(__always)
  private func mergePair(at index: Int, in symbols: inout [Symbol]) {
    let removed = symbols[index].next
    let next = symbols[removed].next
    symbols[index].id = symbols[index].merged
    symbols[index].range = symbols[index].range.lowerBound..<symbols[removed].range.upperBound
    symbols[index].next = next
    symbols[removed].range = 0..<0
    symbols[removed].rank = MergeTable.none
    if next < symbols.count { symbols[next].previous = index }
    updateRank(of: index, in: &symbols)
    let previous = symbols[index].previous
    if previous >= 0 { updateRank(of: previous, in: &symbols) }
  }

  private func mergeBySearch(_ symbols: inout [Symbol]) {
    while true {
      var best = 0
      var bestRank = MergeTable.none
      var index = 0
      while index < symbols.count {
        if symbols[index].rank < bestRank {
          best = index
          bestRank = symbols[index].rank
        }
        index = symbols[index].next
      }
      if bestRank == MergeTable.none { return }
      mergePair(at: best, in: &symbols)
    }
  }

  /// In time n log n: entries of the heap whose pair has changed are passed over.
  private func mergeByHeap(_ symbols: inout [Symbol]) {
    var heap = MinHeap()
    func push(_ index: Int) {
      let rank = symbols[index].rank
      if rank != MergeTable.none { heap.push(UInt64(rank) << 32 | UInt64(index)) }
    }
    for index in symbols.indices { push(index) }
    while let top = heap.pop() {
      let index = Int(top & 0xFFFF_FFFF)
      guard UInt64(symbols[index].rank) == top >> 32 else { continue }
      mergePair(at: index, in: &symbols)
      push(index)
      if symbols[index].previous >= 0 { push(symbols[index].previous) }
    }
  }
}

/// A binary heap that gives the least number first.
private struct MinHeap {
  private var items: [UInt64] = []

  mutating func push(_ item: UInt64) {
    items.append(item)
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if items[parent] <= items[child] { break }
      items.swapAt(parent, child)
      child = parent
    }
  }

  mutating func pop() -> UInt64? {
    guard let top = items.first, let last = items.popLast() else { return nil }
    if items.isEmpty { return top }
    items[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= items.count { return top }
      if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
      if items[parent] <= items[child] { return top }
      items.swapAt(parent, child)
      parent = child
    }
  }
}

/// Pairs of ids with the rank and the result of their merge, in an open-addressing hash table.
private struct MergeTable: Sendable {
  private struct Slot: Sendable {
    var left: Int32 = 0
    var right: Int32 = 0
    /// `none` marks an empty slot.
    var rank = MergeTable.none
    var result: Int32 = 0
  }

  static let none = UInt32.max

  private var slots: [Slot]
  private let shift: UInt64

  /// Of a pair that comes twice the last merge counts, as in Hugging Face's map of merges.
  init(_ merges: [BytePairEncoding.Merge]) {
    let bits = max(4, Int.bitWidth - (merges.count * 2).leadingZeroBitCount)
    slots = [Slot](repeating: Slot(), count: 1 << bits)
    shift = UInt64(64 - bits)
    for (rank, merge) in merges.enumerated() {
      var index = home(merge.left, merge.right)
      while slots[index].rank != Self.none,
        slots[index].left != merge.left || slots[index].right != merge.right
      {
        index = (index + 1) & (slots.count - 1)
      }
      slots[index] = Slot(
        left: merge.left, right: merge.right, rank: UInt32(rank), result: merge.result)
    }
  }

  @inline(__always)
  func lookUp(_ left: Int32, _ right: Int32) -> (rank: UInt32, result: Int32) {
    var index = home(left, right)
    while true {
      let slot = slots[index]
      if slot.rank == Self.none { return (Self.none, 0) }
      if slot.left == left, slot.right == right { return (slot.rank, slot.result) }
      index = (index + 1) & (slots.count - 1)
    }
  }

  @inline(__always)
  private func home(_ left: Int32, _ right: Int32) -> Int {
    let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    return Int((key &* 0x9E37_79B9_7F4A_7C15) >> shift)
  }
}
