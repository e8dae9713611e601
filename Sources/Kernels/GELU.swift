// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The Gaussian error linear unit, x Φ(x), in its erf form (Hendrycks, Gimpel, arXiv 1606.08415;
/// PyTorch's default), fused with the bias of the linear layer before it.
///
/// T tokens, I intermediate width.
package enum GELU {
  /// y [T,I] = gelu(x [T,I] + b [I]); derivative [T,I] = gelu'(x + b), kept for backward.
  ///
  /// Both are overwritten; derivative or y may alias x.
  package static func forward(
    _ y: MutableFloats, _ derivative: MutableFloats, _ x: Floats, _ b: Floats,
    rows T: Int, width I: Int, _ pool: ThreadPool
  ) {
    let density = Vector(repeating: 0.398_942_28)  // 1 / √(2π)
    pool.run(over: T, grain: rowGrain(width: I)) { tokens, _ in
      for t in tokens {
        let (y, derivative, x) = (y + t * I, derivative + t * I, x + t * I)
        eachVector(I) { c, lanes in
          let z = load(x, c, lanes) + load(b, c, lanes)
          let normal = VectorMath.normal(z)
          store(z * normal.cumulative, y, c, lanes)
          // gelu'(z) = Φ(z) + z φ(z)
          let slope = normal.cumulative.adding(z * density, times: normal.exponential)
          store(slope, derivative, c, lanes)
        }
      }
    }
  }

  /// dx [T,I] = dy [T,I] * derivative [T,I], of y = gelu(x + b); db [I] = column sums of dx, summed over
  /// the parts in their tree.
  ///
  /// Both are overwritten; dx may alias dy.
  package static func backward(
    _ dx: MutableFloats, _ db: MutableFloats, _ dy: Floats, _ derivative: Floats,
    rows parts: Parts, width I: Int, _ pool: ThreadPool
  ) {
    ColumnSum(out: db, parts: parts, width: I).run(pool) { i, lanes in
      let d = load(dy, i, lanes) * load(derivative, i, lanes)
      store(d, dx, i, lanes)
      return d
    }
  }
}
