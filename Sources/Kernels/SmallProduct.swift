/// Matrix products of the size of one attention head, where a BLAS call costs as much as the work.
///
/// The right operand is packed into panels of 16 columns, one row of a panel after the other and zeros
/// past the last column; the left is read with any strides, so that its transpose is free. An element
/// is one chain of fused multiply-adds in the order of the depth, whatever tile it falls in.
enum SmallProduct {
  static let panel = 16
  static let tileRows = 6

  /// Floats of a packed right operand of `depth` rows and `columns` columns.
  static func packedCount(depth: Int, columns: Int) -> Int {
    (columns + panel - 1) / panel * panel * depth
  }

  /// Packs b [depth, columns] with rows `stride` apart.
  @inline(never)
  static func pack(
    _ packed: MutableFloats, _ b: Floats, stride: Int, depth: Int, columns: Int
  ) {
    var out = packed
    for first in Swift.stride(from: 0, to: columns, by: panel) {
      let left = min(8, columns - first)
      let right = min(8, columns - first - left)
      var row = b + first
      for _ in 0..<depth {
        store(load(row, 0, left), out, 0, 8)
        store(right > 0 ? load(row, 8, right) : Vector(), out, 8, 8)
        row += stride
        out += panel
      }
    }
  }

  /// Packs the transpose of b [columns, depth] with rows `stride` apart.
  @inline(never)
  static func packTransposed(
    _ packed: MutableFloats, _ b: Floats, stride: Int, depth: Int, columns: Int
  ) {
    for first in Swift.stride(from: 0, to: columns, by: 8) {
      let count = min(8, columns - first)
      // Column `first` is the left or the right half of its panel.
      let out = packed + first / panel * panel * depth + first % panel
      eachVector(depth) { k, lanes in
        let block = Transposition(b + first * stride + k, stride: stride, rows: count, lanes)
        block.write(out + k * panel, stride: panel, rows: lanes)
      }
    }
    guard (columns + 7) / 8 % 2 == 1 else { return }
    // The last panel has no right half.
    let out = packed + columns / panel * panel * depth + 8
    for k in 0..<depth { store(Vector(), out, k &* panel, 8) }
  }

  /// c [rows, columns] = a [rows, depth] · b, or += if `accumulate`.
  ///
  /// Element (i, k) of a is a[i * aRow + k * aDepth]; rows of c are `cRow` apart; b is packed; `tile`
  /// is scratch of tileRows * depth floats.
  ///
  /// - Parameter packedDepth: Rows of the packed operand, where those from `b` on are only some of
  ///   them; nil: depth.
  static func multiply(
    _ c: MutableFloats, cRow: Int, _ a: Floats, aRow: Int, aDepth: Int, packed b: Floats,
    packedDepth: Int? = nil, tile: MutableFloats, rows: Int, columns: Int, depth: Int,
    accumulate: Bool
  ) {
    let panelCount = panel * (packedDepth ?? depth)
    for i in stride(from: 0, to: rows, by: tileRows) {
      let tall = min(tileRows, rows - i)
      var left = Operand(start: a + i * aRow, row: aRow, depth: aDepth, rows: tall)
      // Steps of half a KiB and more meet in few cache sets, and every panel would miss again.
      if aDepth >= 128 && columns > panel { left = left.packed(into: tile, depth: depth) }
      var b = b
      for j in stride(from: 0, to: columns, by: panel) {
        multiplyTile(
          c + i * cRow + j, cRow, left, b, columns: min(panel, columns - j), depth: depth,
          accumulate: accumulate)
        b += panelCount
      }
    }
  }

  /// Up to six rows of the left operand; rows past the last one stand for it again.
  private struct Operand {
    let start: Floats
    let row, depth, rows: Int

    /// The distance of row i from the first.
    @inline(__always)
    func offset(_ i: Int) -> Int { min(i, rows &- 1) &* row }

    /// The same rows, side by side.
    func packed(into tile: MutableFloats, depth count: Int) -> Operand {
      for k in 0..<count {
        for i in 0..<rows { tile[k &* tileRows &+ i] = start[i &* row &+ k &* depth] }
      }
      return Operand(start: tile, row: 1, depth: tileRows, rows: rows)
    }
  }

  /// Up to 6 rows and 16 columns of c: twelve accumulators, which with two vectors of b and one of a
  /// fill the sixteen AVX registers.
  @inline(never)
  private static func multiplyTile(
    _ c: MutableFloats, _ cRow: Int, _ left: Operand, _ b: Floats,
    columns: Int, depth: Int, accumulate: Bool
  ) {
    let (r1, r2, r3) = (left.offset(1), left.offset(2), left.offset(3))
    let (r4, r5) = (left.offset(4), left.offset(5))
    let (step, rows) = (left.depth, left.rows)
    var (c00, c01, c10, c11) = (Vector(), Vector(), Vector(), Vector())
    var (c20, c21, c30, c31) = (Vector(), Vector(), Vector(), Vector())
    var (c40, c41, c50, c51) = (Vector(), Vector(), Vector(), Vector())
    var a = left.start
    var b = b
    for _ in 0..<depth {
      let b0 = load(b, 0, 8)
      let b1 = load(b, 8, 8)
      let a0 = Vector(repeating: a[0])
      c00 = c00.adding(a0, times: b0)
      c01 = c01.adding(a0, times: b1)
      let a1 = Vector(repeating: a[r1])
      c10 = c10.adding(a1, times: b0)
      c11 = c11.adding(a1, times: b1)
      let a2 = Vector(repeating: a[r2])
      c20 = c20.adding(a2, times: b0)
      c21 = c21.adding(a2, times: b1)
      let a3 = Vector(repeating: a[r3])
      c30 = c30.adding(a3, times: b0)
      c31 = c31.adding(a3, times: b1)
      let a4 = Vector(repeating: a[r4])
      c40 = c40.adding(a4, times: b0)
      c41 = c41.adding(a4, times: b1)
      let a5 = Vector(repeating: a[r5])
      c50 = c50.adding(a5, times: b0)
      c51 = c51.adding(a5, times: b1)
      a += step
      b += panel
    }
    let first = min(8, columns)
    let second = columns - first
    @inline(__always)
    func finish(_ row: Int, _ v0: Vector, _ v1: Vector) {
      guard row < rows else { return }
      let c = c + row * cRow
      store(accumulate ? load(c, 0, first) + v0 : v0, c, 0, first)
      if second > 0 { store(accumulate ? load(c, 8, second) + v1 : v1, c, 8, second) }
    }
    finish(0, c00, c01)
    finish(1, c10, c11)
    finish(2, c20, c21)
    finish(3, c30, c31)
    finish(4, c40, c41)
    finish(5, c50, c51)
  }
}
