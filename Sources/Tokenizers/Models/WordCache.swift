import Synchronization

/// Words and the ids that a model made of them. A model's answer depends on the word alone, so what
/// is remembered, and by which thread, changes nothing but the time.
struct WordCache: Sendable {
  private struct Slot {
    /// 0 in an empty slot.
    var wordCount: UInt8 = 0
    var idCount: UInt8 = 0
    var hash: UInt32 = 0
    var wordStart: UInt32 = 0
    var idStart: UInt32 = 0
  }

  /// An open-addressing hash table, made with the first word.
  private var slots: [Slot] = []
  private var bytes: [UInt8] = []
  private var ids: [Int32] = []
  private var count = 0

  /// Longer words seldom come again.
  private static let longestWord = 64
  private static let numSlots = 1 << 15
  /// With more, everything is forgotten: a text of ever new words costs no more memory.
  private static let maxCount = 1 << 14

  @inline(__always)
  func appendIDs(of word: Range<Int>, in text: Span<UInt8>, to output: inout [Int32]) -> Bool {
    if slots.isEmpty || word.count > Self.longestWord { return false }
    let hash = Self.hash(of: word, in: text)
    var index = Int(hash) & (Self.numSlots - 1)
    while slots[index].wordCount != 0 {
      let slot = slots[index]
      if slot.hash == hash, slot.wordCount == word.count,
        hasBytes(of: word, in: text, at: Int(slot.wordStart))
      {
        let start = Int(slot.idStart)
        for id in start..<start + Int(slot.idCount) { output.append(ids[id]) }
        return true
      }
      index = (index + 1) & (Self.numSlots - 1)
    }
    return false
  }

  /// The word is not there yet.
  mutating func insert(_ word: Range<Int>, of text: Span<UInt8>, ids wordIDs: ArraySlice<Int32>) {
    if word.isEmpty || word.count > Self.longestWord || wordIDs.count > Int(UInt8.max) { return }
    if slots.isEmpty || count == Self.maxCount {
      slots = [Slot](repeating: Slot(), count: Self.numSlots)
      bytes.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
      count = 0
    }
    let hash = Self.hash(of: word, in: text)
    var index = Int(hash) & (Self.numSlots - 1)
    while slots[index].wordCount != 0 { index = (index + 1) & (Self.numSlots - 1) }
    slots[index] = Slot(
      wordCount: UInt8(word.count), idCount: UInt8(wordIDs.count), hash: hash,
      wordStart: UInt32(bytes.count), idStart: UInt32(ids.count))
    for position in word { bytes.append(text[position]) }
    ids += wordIDs
    count += 1
  }

  @inline(__always)
  private func hasBytes(of word: Range<Int>, in text: Span<UInt8>, at start: Int) -> Bool {
    for offset in 0..<word.count where bytes[start + offset] != text[word.lowerBound + offset] {
      return false
    }
    return true
  }

  @inline(__always)
  private static func hash(of word: Range<Int>, in text: Span<UInt8>) -> UInt32 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for position in word { hash = (hash ^ UInt64(text[position])) &* 0x9E37_79B9_7F4A_7C15 }
    return UInt32(truncatingIfNeeded: hash >> 32)
  }
}

/// Caches that threads take and give back, so that none is used by two at a time.
final class WordCachePool: Sendable {
  private let caches = Mutex<[WordCache]>([])

  func take() -> WordCache { caches.withLock { $0.popLast() } ?? WordCache() }

  func giveBack(_ cache: WordCache) {
    caches.withLock { if $0.count < 64 { $0.append(cache) } }
  }
}
