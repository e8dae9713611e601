/// Unicode's normalisation form C.
enum CanonicalComposition {
  /// Appends `text` in form C to `output`.
  static func compose(_ text: Span<UInt8>, into output: inout some NormalizedText) {
    var changes = ChangeList()
    var position = 0
    while position < text.count {
      let scalar = nextScalar(in: text, at: &position)
      // What lies below U+0300 is composed, and only changed by what follows.
      if scalar.value < 0x300, position == text.count || text[position] < 0xCC {
        changes.append(scalar, change: 0)
        continue
      }
      var run = [(scalar: scalar, change: 0)]
      while position < text.count {
        var next = position
        let follower = nextScalar(in: text, at: &next)
        if follower.value < 0x300 { break }
        run.append((follower, 0))
        position = next
      }
      for item in composed(run) { changes.append(item.scalar, change: item.change) }
    }
    changes.apply(to: text, into: &output)
  }

  /// The composition algorithm (The Unicode Standard, section 3.11). A change counts as in
  /// `ChangeList`: parts of one character are added to the first, and composing takes one away.
  private static func composed(
    _ run: [(scalar: Unicode.Scalar, change: Int)]
  ) -> [(scalar: Unicode.Scalar, change: Int)] {
    var scalars: [Unicode.Scalar] = []
    var added: [Int] = []
    for item in run {
      let count = scalars.count
      CanonicalDecomposition.append(item.scalar, to: &scalars)
      for index in count..<scalars.count { added.append(index > count ? 1 : 0) }
    }
    var result: [(scalar: Unicode.Scalar, change: Int)] = []
    var starter: Int?
    var lastClass: UInt8 = 0
    for index in CanonicalDecomposition.orderOfMarks(scalars) {
      let scalar = scalars[index]
      let combiningClass = CharacterClasses.combiningClass(of: scalar)
      if let starter {
        let isAdjacent = starter == result.count - 1
        if isAdjacent || lastClass != 0 && lastClass < combiningClass,
          let whole = pair(result[starter].scalar, scalar)
        {
          result[starter].scalar = whole
          result[starter].change += added[index] - 1
          continue
        }
      }
      if combiningClass == 0 { starter = result.count }
      lastClass = combiningClass
      result.append((scalar, added[index]))
    }
    return result
  }

  /// Of two scalars the one that they compose to.
  private static func pair(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    let (l, v) = (Int(first.value) - 0x1100, Int(second.value) - 0x1161)
    if (0..<19).contains(l), (0..<21).contains(v) {
      return Unicode.Scalar(UInt32(0xAC00 + (l * 21 + v) * 28))
    }
    let (syllable, t) = (Int(first.value) - 0xAC00, Int(second.value) - 0x11A7)
    if (0..<11172).contains(syllable), syllable % 28 == 0, (1..<28).contains(t) {
      return Unicode.Scalar(first.value + UInt32(t))
    }
    return pairs[UInt64(first.value) << 32 | UInt64(second.value)]
  }

  private static let pairs: [UInt64: Unicode.Scalar] = {
    var pairs: [UInt64: Unicode.Scalar] = [:]
    let mask: UInt64 = 0x1F_FFFF
    for entry in canonicalDecompositions where entry & mask != 0 {
      guard let whole = Unicode.Scalar(UInt32(entry >> 42)),
        !whole.properties.isFullCompositionExclusion
      else { continue }
      pairs[(entry >> 21 & mask) << 32 | entry & mask] = whole
    }
    return pairs
  }()
}
