/// Replaced characters as Hugging Face counts them to find where each comes from: a change of 0 stands
/// for one character of the text, 1 for one more that was put in, -n for n more that were taken out.
/// Some of its counts look odd (what is taken out at the very start is not counted); offsets only
/// agree if they are kept.
struct ChangeList {
  private var scalars: [(scalar: Unicode.Scalar, change: Int)] = []

  mutating func append(_ scalar: Unicode.Scalar, change: Int) { scalars.append((scalar, change)) }

  mutating func append(_ part: [UInt8], replaced replacement: [UInt8]?) {
    let new = String(decoding: replacement ?? part, as: UTF8.self).unicodeScalars
    for scalar in new { scalars.append((scalar, 0)) }
    guard replacement != nil else { return }
    let added = new.count - part.count { $0 & 0xC0 != 0x80 }
    if added > 0 {
      for index in scalars.indices.suffix(added) { scalars[index].change = 1 }
    } else if added < 0, !scalars.isEmpty {
      scalars[scalars.count - 1].change += added
    }
  }

  func apply(to text: Span<UInt8>, into output: inout some NormalizedText) {
    var position = 0
    for (scalar, change) in scalars {
      if change > 0 {
        let start = position == 0 ? 0 : scalarBefore(position, in: text).start
        output.append(scalar, source: start..<position)
        continue
      }
      let start = position
      if position < text.count { _ = nextScalar(in: text, at: &position) }
      output.append(scalar, source: start..<position)
      for _ in 0..<(-change) where position < text.count { _ = nextScalar(in: text, at: &position) }
    }
  }
}
