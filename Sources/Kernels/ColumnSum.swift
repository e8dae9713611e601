/// Sums over tokens: the gradients of biases, scales and shifts. Each part is summed by itself, and the
/// parts in their tree.
///
/// T rows, W width.
struct ColumnSum {
  /// [W], overwritten.
  let out: MutableFloats
  let parts: Parts
  let width: Int

  /// Columns in a block: 128 bytes of every row, in four registers.
  static let grain = 32
  /// Rows whose sum is made in registers before it is added to a part's.
  private static let rowsTogether = 32

  /// Blocks that threads may run by themselves.
  var blocks: Int { (width + Self.grain - 1) / Self.grain }

  /// out [W] = sums over the rows of `value(i, lanes)`, i = t * W + column.
  func run(_ pool: ThreadPool, _ value: (_ i: Int, _ lanes: Int) -> Vector) {
    pool.run(blocks) { block, _ in run(block: block, value) }
  }

  /// One block of `run`.
  @inline(__always)
  func run(block: Int, _ value: (_ i: Int, _ lanes: Int) -> Vector) {
    let first = block * Self.grain
    let columns = min(Self.grain, width - first)
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: parts.levels * 4) { sums in
      parts.sum { rows, level in
        var total = Sums()
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowsTogether) {
          var sum = Sums()
          for t in start..<min(start + Self.rowsTogether, rows.upperBound) {
            sum.add(at: t &* width &+ first, columns: columns, value)
          }
          total.add(sum)
        }
        total.store(sums, 4 * level)
      } combine: { level in
        for i in 4 * level..<4 * level + 4 { sums[i] += sums[i + 4] }
      }
      eachVector(columns) { c, lanes in store(sums[c / 8], out, first + c, lanes) }
    }
  }

  /// Sums of up to 32 columns.
  private struct Sums {
    var s0 = Vector()
    var s1 = Vector()
    var s2 = Vector()
    var s3 = Vector()

    @inline(__always)
    mutating func add(
      at i: Int, columns: Int, _ value: (_ i: Int, _ lanes: Int) -> Vector
    ) {
      if columns == 32 {
        s0 += value(i, 8)
        s1 += value(i &+ 8, 8)
        s2 += value(i &+ 16, 8)
        s3 += value(i &+ 24, 8)
      } else {
        s0 += value(i, min(8, columns))
        if columns > 8 { s1 += value(i &+ 8, min(8, columns &- 8)) }
        if columns > 16 { s2 += value(i &+ 16, min(8, columns &- 16)) }
        if columns > 24 { s3 += value(i &+ 24, columns &- 24) }
      }
    }

    @inline(__always)
    mutating func add(_ other: Sums) {
      s0 += other.s0
      s1 += other.s1
      s2 += other.s2
      s3 += other.s3
    }

    @inline(__always)
    func store(_ sums: UnsafeMutableBufferPointer<Vector>, _ first: Int) {
      sums[first] = s0
      sums[first + 1] = s1
      sums[first + 2] = s2
      sums[first + 3] = s3
    }
  }
}
