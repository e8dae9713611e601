// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Sums over tokens: the gradients of biases, scales and shifts.
///
/// T rows, W width.
enum ColumnSum {
  /// Columns in a block: 256 bytes of every row.
  static let grain = 64

  static func blocks(width: Int) -> Int { (width + grain - 1) / grain }

  /// The columns of a block.
  static func columns(_ block: Int, width: Int) -> Range<Int> {
    block * grain..<min(width, (block + 1) * grain)
  }

  /// out [W] = sums over T rows of `value(i, lanes)`, i = t * W + column; out is overwritten.
  static func run(
    _ out: MutableFloats, rows T: Int, width W: Int, _ pool: ThreadPool,
    _ value: (_ i: Int, _ lanes: Int) -> Vector
  ) {
    pool.run(blocks(width: W)) { block, _ in
      sum(out, columns(block, width: W), rows: T, width: W, value)
    }
  }

  /// out[columns] = sums over T rows of `value`, four rows at a time and those in order: a quarter of
  /// the additions to a long sum, and of their rounding.
  @inline(__always)
  static func sum(
    _ out: MutableFloats, _ columns: Range<Int>, rows T: Int, width W: Int,
    _ value: (_ i: Int, _ lanes: Int) -> Vector
  ) {
    let out = out + columns.lowerBound
    out.update(repeating: 0, count: columns.count)
    var t = 0
    while t < T {
      let i = t &* W &+ columns.lowerBound
      if t &+ 4 <= T {
        eachVector(columns.count) { c, lanes in
          let first = value(i &+ c, lanes) + value(i &+ W &+ c, lanes)
          let second = value(i &+ 2 &* W &+ c, lanes) + value(i &+ 3 &* W &+ c, lanes)
          store(load(out, c, lanes) + (first + second), out, c, lanes)
        }
        t &+= 4
      } else {
        eachVector(columns.count) { c, lanes in
          store(load(out, c, lanes) + value(i &+ c, lanes), out, c, lanes)
        }
        t &+= 1
      }
    }
  }
}
