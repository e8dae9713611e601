/// The softmax of rows of attention scores.
enum Softmax {
  /// x [count] = softmax(scale * x), in place; scale must be positive.
  @inline(never)
  static func row(_ x: MutableFloats, count: Int, scale: Float) {
    var largest = Vector(repeating: -.infinity)
    eachVector(count) { i, lanes in
      let v = load(x, i, lanes, fill: -.infinity)
      largest.replace(with: v, where: v .> largest)
    }
    let maximum = largest.laneMaximum
    var sums = Vector()
    eachVector(count) { i, lanes in
      // Lanes past the end become e^(-infinity) = 0 and add nothing.
      let e = VectorMath.exp((load(x, i, lanes, fill: -.infinity) - maximum) * scale)
      store(e, x, i, lanes)
      sums += e
    }
    let inverse = 1 / sums.laneSum
    eachVector(count) { i, lanes in store(load(x, i, lanes) * inverse, x, i, lanes) }
  }

  /// The gradient of `row` at its input x, in place of dp: scale * (kept * dp - p * Σ kept dp), where
  /// kept = p * mask is what the gradient dp was taken at. Without dropout kept is p.
  static func rowBackward(
    _ dp: MutableFloats, _ p: Floats, kept: Floats, count: Int, scale: Float
  ) {
    let dot = RowSum.of(count) { i, lanes in load(dp, i, lanes) * load(kept, i, lanes) }
    eachVector(count) { i, lanes in
      let mean = load(p, i, lanes) * dot
      let product = load(dp, i, lanes) * load(kept, i, lanes)
      store((product - mean) * scale, dp, i, lanes)
    }
  }
}
