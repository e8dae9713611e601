// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Rows picked by index: what a head reads of the encoder's output.
///
/// T tokens, S rows picked, H hidden.
package enum Gather {
  /// y [S,H] = x[index[s]] of x [T,H]; y is overwritten.
  package static func forward(
    _ y: MutableFloats, _ x: Floats, index: UnsafePointer<Int32>, rows S: Int, width H: Int
  ) {
    for s in 0..<S { (y + s * H).update(from: x + Int(index[s]) * H, count: H) }
  }

  /// dx[index[s]] = dy [S,H] in dx [T,H]; the caller has zeroed the rows that no index names. Indices
  /// must differ: of two equal ones the last would win.
  package static func backward(
    _ dx: MutableFloats, _ dy: Floats, index: UnsafePointer<Int32>, rows S: Int, width H: Int
  ) {
    for s in 0..<S { (dx + Int(index[s]) * H).update(from: dy + s * H, count: H) }
  }

  /// dx[index[s]] += dy [S,H] in dx [T,H]. Indices may be equal: rows are added in their order.
  package static func accumulate(
    _ dx: MutableFloats, _ dy: Floats, index: UnsafePointer<Int32>, rows S: Int, width H: Int
  ) {
    for s in 0..<S {
      let (dx, dy) = (dx + Int(index[s]) * H, dy + s * H)
      eachVector(H) { c, lanes in store(load(dx, c, lanes) + load(dy, c, lanes), dx, c, lanes) }
    }
  }
}
