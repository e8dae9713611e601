/// Unicode's normalisation form D, scalar by scalar.
enum CanonicalDecomposition {
  /// Appends the full canonical decomposition of `scalar`, marks not yet put into canonical order.
  static func append(_ scalar: Unicode.Scalar, to scalars: inout [Unicode.Scalar]) {
    let value = scalar.value
    if value < 0xC0 {
      scalars.append(scalar)
    } else if (0xAC00...0xD7A3).contains(value) {
      appendHangul(value - 0xAC00, to: &scalars)
    } else if let (first, second) = oneLevel(value) {
      append(first, to: &scalars)
      if let second { append(second, to: &scalars) }
    } else {
      scalars.append(scalar)
    }
  }

  /// The indices of `scalars` with every run of marks in the order of their combining classes (the
  /// canonical ordering algorithm), marks of one class staying in the order they came in.
  static func orderOfMarks(_ scalars: [Unicode.Scalar]) -> [Int] {
    let classes = scalars.map(CharacterClasses.combiningClass(of:))
    var order = Array(scalars.indices)
    var start = 0
    while start < scalars.count {
      var end = start
      while end < scalars.count, classes[end] != 0 { end += 1 }
      if end - start > 1 {
        order[start..<end].sort { (classes[$0], $0) < (classes[$1], $1) }
      }
      start = end + 1
    }
    return order
  }

  /// Leading, vowel and trailing jamo (The Unicode Standard, section 3.12).
  private static func appendHangul(_ syllable: UInt32, to scalars: inout [Unicode.Scalar]) {
    let jamo = [0x1100 + syllable / 588, 0x1161 + syllable % 588 / 28, 0x11A7 + syllable % 28]
    for value in syllable % 28 == 0 ? jamo[..<2] : jamo[...] {
      if let scalar = Unicode.Scalar(value) { scalars.append(scalar) }
    }
  }

  private static func oneLevel(
    _ value: UInt32
  ) -> (first: Unicode.Scalar, second: Unicode.Scalar?)? {
    var low = 0
    var high = canonicalDecompositions.count
    while low < high {
      let middle = (low + high) / 2
      if UInt32(canonicalDecompositions[middle] >> 42) < value {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < canonicalDecompositions.count else { return nil }
    let entry = canonicalDecompositions[low]
    let mask: UInt64 = 0x1F_FFFF
    guard UInt32(entry >> 42) == value, let first = Unicode.Scalar(UInt32(entry >> 21 & mask))
    else { return nil }
    return (first, entry & mask == 0 ? nil : Unicode.Scalar(UInt32(entry & mask)))
  }
}
