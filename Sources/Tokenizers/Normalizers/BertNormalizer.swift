/// What BERT's basic tokenizer does to a text before cutting it into words. The four steps are done
/// in this order.
package struct NormalizerSettings: Sendable, Equatable {
  /// Drop control and format characters, and turn every white space into a space.
  package var cleansText: Bool
  /// Put spaces around Chinese ideographs.
  package var splitsChinese: Bool
  /// Decompose canonically and drop nonspacing marks.
  package var stripsAccents: Bool
  package var lowercases: Bool

  /// `stripsAccents` nil follows `lowercases`, as in the original BERT.
  init(cleansText: Bool, splitsChinese: Bool, stripsAccents: Bool?, lowercases: Bool) {
    self.cleansText = cleansText
    self.splitsChinese = splitsChinese
    self.stripsAccents = stripsAccents ?? lowercases
    self.lowercases = lowercases
  }
}

/// Normalises UTF-8 to UTF-8 as Hugging Face's BertNormalizer does: ASCII through a table of bytes,
/// frequent scripts through a table of ready answers, the rest by Unicode properties.
struct BertNormalizer: Sendable {
  let settings: NormalizerSettings
  /// What a byte below 0x80 becomes; `dropped` for nothing.
  private let asciiReplacements: [UInt8]
  /// For every block of 256 scalars its place in `replacements`, or 0 for a block that is not there.
  private let blockSlots: [UInt8]
  /// A scalar's replacement: its length in UTF-8 in the lowest byte, its bytes above, the first
  /// lowest; or `slow`.
  private let replacements: [UInt64]

  private static let dropped: UInt8 = 0xFF
  private static let slow: UInt64 = 0xFF
  /// Latin to Arabic, Indic scripts to Tibetan, punctuation and symbols, kana, full-width forms, emoji.
  private static let readyBlocks: [ClosedRange<Int>] = [
    0x00...0x06, 0x09...0x0F, 0x1E...0x27, 0x30...0x30, 0xFE...0xFF, 0x1F3...0x1FA,
  ]

  init(settings: NormalizerSettings) {
    self.settings = settings
    asciiReplacements = (0..<0x80).map { byte in
      let scalars = Self.finish(Self.expand(Unicode.Scalar(UInt8(byte)), settings), settings)
      return scalars.first.map { UInt8($0.value) } ?? Self.dropped
    }
    var slots = [UInt8](repeating: 0, count: 0x1100)
    var table = [UInt64](repeating: 0, count: 256)
    for block in Self.readyBlocks.joined() {
      slots[block] = UInt8(table.count / 256)
      for value in UInt32(block) << 8..<UInt32(block + 1) << 8 {
        table.append(Unicode.Scalar(value).map { Self.replacement(of: $0, settings) } ?? Self.slow)
      }
    }
    blockSlots = slots
    replacements = table
  }

  /// Appends the normal form of `text`, which is valid UTF-8, to `output`.
  func normalize<Output: NormalizedText>(_ text: Span<UInt8>, into output: inout Output) {
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte < 0x80 {
        let replacement = asciiReplacements[Int(byte)]
        if replacement != Self.dropped {
          output.append(replacement, source: position..<position + 1)
        }
        position += 1
        continue
      }
      var next = position
      let scalar = nextScalar(in: text, at: &next)
      var replacement = readyReplacement(of: scalar)
      // Marks that are dropped take part in what canonical ordering moves the others over.
      let isSlow =
        replacement == Self.slow
        || Output.keepsSources && settings.stripsAccents
          && CharacterClasses.combiningClass(of: scalar) != 0
      if isSlow {
        normalizeMarks(of: scalar, at: position, before: &next, in: text, into: &output)
      } else {
        for _ in 0..<replacement & 0xFF {
          replacement >>= 8
          output.append(UInt8(truncatingIfNeeded: replacement), source: position..<next)
        }
      }
      position = next
    }
  }

  @inline(__always)
  private func readyReplacement(of scalar: Unicode.Scalar) -> UInt64 {
    let slot = Int(blockSlots[Int(scalar.value >> 8)])
    if slot == 0 { return Self.replacement(of: scalar, settings) }
    return replacements[slot << 8 | Int(scalar.value & 0xFF)]
  }

  /// The general way: `scalar`, which starts at `start`, with all the marks that follow it and that
  /// canonical ordering may move. `next` is the position after `scalar`, moved past those marks.
  private func normalizeMarks(
    of scalar: Unicode.Scalar, at start: Int, before next: inout Int, in text: Span<UInt8>,
    into output: inout some NormalizedText
  ) {
    var scalars = Self.expand(scalar, settings)
    // The scalars that something is left of, and of what is left whether it goes on with one of them.
    var sources = scalars.isEmpty ? [] : [start..<next]
    var continues = scalars.indices.map { $0 > 0 }
    if settings.stripsAccents {
      while next < text.count {
        var end = next
        let follower = Self.expand(nextScalar(in: text, at: &end), settings)
        if let first = follower.first, CharacterClasses.combiningClass(of: first) == 0 { break }
        if !follower.isEmpty { sources.append(next..<end) }
        scalars += follower
        continues += follower.indices.map { $0 > 0 }
        next = end
      }
      let order = CanonicalDecomposition.orderOfMarks(scalars)
      scalars = order.map { scalars[$0] }
      continues = order.map { continues[$0] }
    }
    // Sources are given out in the order of the text, as Hugging Face does, even where marks moved.
    var source = -1
    for (scalar, goesOn) in zip(scalars, continues) {
      if !goesOn || source < 0 { source += 1 }
      for final in Self.finish([scalar], settings) { output.append(final, source: sources[source]) }
    }
  }

  /// Cleaning, spaces around ideographs and decomposition of one scalar.
  private static func expand(
    _ scalar: Unicode.Scalar, _ settings: NormalizerSettings
  ) -> [Unicode.Scalar] {
    var scalar = scalar
    if settings.cleansText {
      if CharacterClasses.isRemovedByCleaning(scalar) { return [] }
      if CharacterClasses.isWhitespace(scalar) { scalar = " " }
    }
    let isPadded = settings.splitsChinese && CharacterClasses.isChinese(scalar)
    var scalars: [Unicode.Scalar] = isPadded ? [" "] : []
    if settings.stripsAccents {
      CanonicalDecomposition.append(scalar, to: &scalars)
    } else {
      scalars.append(scalar)
    }
    if isPadded { scalars.append(" ") }
    return scalars
  }

  /// Dropping of marks, and lower case, of scalars in canonical order.
  private static func finish(
    _ scalars: [Unicode.Scalar], _ settings: NormalizerSettings
  ) -> [Unicode.Scalar] {
    let kept =
      settings.stripsAccents ? scalars.filter { !CharacterClasses.isNonspacingMark($0) } : scalars
    guard settings.lowercases else { return kept }
    return kept.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
  }

  /// The entry of `replacements`: `slow` where a mark stays that canonical ordering may move.
  private static func replacement(
    of scalar: Unicode.Scalar, _ settings: NormalizerSettings
  ) -> UInt64 {
    let scalars = expand(scalar, settings)
    if settings.stripsAccents {
      for scalar in scalars
      where CharacterClasses.combiningClass(of: scalar) != 0
        && !CharacterClasses.isNonspacingMark(scalar)
      {
        return slow
      }
    }
    var bytes: [UInt8] = []
    for scalar in finish(scalars, settings) { bytes.append(utf8: scalar) }
    if bytes.count > 7 { return slow }
    return bytes.reversed().reduce(0) { ($0 | UInt64($1)) << 8 } | UInt64(bytes.count)
  }
}
