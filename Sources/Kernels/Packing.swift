/// Copies operands of matrix products into the order in which tiles read them: one row of `width`
/// floats for every step of the depth. What lies past the operand is zeros.
enum Packing {
  /// Packs `depth` rows of `columns` floats, `stride` apart, into rows of `width` floats.
  @inline(never)
  static func rows(
    _ packed: MutableFloats, width: Int, _ source: Floats, stride: Int, columns: Int, depth: Int
  ) {
    guard columns == width, width >= 8 else {
      return ragged(packed, width: width, source, stride: stride, columns: columns, depth: depth)
    }
    let last = width &- 8
    for k in 0..<depth {
      let (to, from) = (packed + k &* width, source + k &* stride)
      var c = 0
      while c < last {
        store(load(from, c, 8), to, c, 8)
        c &+= 8
      }
      // Where the width is no multiple of eight, some floats are copied twice.
      store(load(from, last, 8), to, last, 8)
    }
  }

  private static func ragged(
    _ packed: MutableFloats, width: Int, _ source: Floats, stride: Int, columns: Int, depth: Int
  ) {
    for k in 0..<depth {
      let (to, from) = (packed + k &* width, source + k &* stride)
      for c in 0..<columns { to[c] = from[c] }
      for c in columns..<width { to[c] = 0 }
    }
  }

  /// Packs the transpose of `count` rows of `depth` floats, `stride` apart: row k of the result is
  /// element k of every row. A width under eight overwrites up to seven floats past the end.
  @inline(never)
  static func transposed(
    _ packed: MutableFloats, width: Int, _ source: Floats, stride: Int, count: Int, depth: Int
  ) {
    var first = 0
    while first < width {
      // The last eight columns again where the width is no multiple of eight.
      let start = max(0, min(first, width &- 8))
      let rows = max(0, min(8, count &- start))
      let (to, from) = (packed + start, source + start &* stride)
      eachVector(depth) { k, lanes in
        let block = Transposition(from + k, stride: stride, rows: rows, lanes)
        block.write(to + k &* width, stride: width, rows: lanes)
      }
      first &+= 8
    }
  }
}
