// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The mean of each sequence's rows: mean pooling (Reimers, Gurevych, arXiv 1908.10084).
///
/// T rows, S sequences, H hidden.
package enum SequenceMean {
  /// y [S,H] = the means of the sequences' rows of x [T,H], added in their order; 0 for a sequence
  /// without rows. y is overwritten.
  ///
  /// - Parameter cumulativeLengths: [S+1]
  package static func forward(
    _ y: MutableFloats, _ x: Floats, cumulativeLengths: UnsafeBufferPointer<Int32>, rows S: Int,
    width H: Int
  ) {
    for s in 0..<S {
      let rows = Int(cumulativeLengths[s])..<Int(cumulativeLengths[s + 1])
      let scale = Vector(repeating: 1 / Float(max(1, rows.count)))
      eachVector(H) { c, lanes in
        var sum = Vector()
        for t in rows { sum += load(x, t &* H &+ c, lanes) }
        store(sum * scale, y, s &* H &+ c, lanes)
      }
    }
  }

  /// dx [T,H], the gradient of `forward` from dy [S,H]; all rows are overwritten.
  package static func backward(
    _ dx: MutableFloats, _ dy: Floats, cumulativeLengths: UnsafeBufferPointer<Int32>, rows S: Int,
    width H: Int
  ) {
    for s in 0..<S {
      let rows = Int(cumulativeLengths[s])..<Int(cumulativeLengths[s + 1])
      let scale = Vector(repeating: 1 / Float(max(1, rows.count)))
      eachVector(H) { c, lanes in
        let d = load(dy, s &* H &+ c, lanes) * scale
        for t in rows { store(d, dx, t &* H &+ c, lanes) }
      }
    }
  }
}
