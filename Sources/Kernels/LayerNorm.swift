// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Layer normalisation (Ba, Kiros, Hinton, arXiv 1607.06450; torch.nn.LayerNorm): each row to mean 0
/// and variance 1 (the biased one), then scaled and shifted by column.
///
/// T tokens, H hidden.
package enum LayerNorm {
  /// y [T,H] = x̂ * gamma [H] + beta [H] with x̂ = (x - mean) / √(variance + epsilon).
  ///
  /// Overwrites y and, for backward, normalized [T,H] = x̂ and inverseDeviation [T] = 1 / √(variance +
  /// epsilon). y or normalized may alias x.
  package static func forward(
    _ y: MutableFloats, _ normalized: MutableFloats, _ inverseDeviation: MutableFloats, _ x: Floats,
    _ gamma: Floats, _ beta: Floats, epsilon: Float, rows T: Int, width H: Int,
    _ pool: ThreadPool
  ) {
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        inverseDeviation[t] = row(
          y + t * H, normalized + t * H, x + t * H, gamma, beta, epsilon: epsilon, width: H)
      }
    }
  }

  /// The gradients of `forward`, from dy [T,H]: dx [T,H] (may alias dy), dgamma and dbeta [H], summed
  /// over the parts in their tree, all overwritten.
  package static func backward(
    _ dx: MutableFloats, _ dgamma: MutableFloats, _ dbeta: MutableFloats, _ dy: Floats,
    _ normalized: Floats, _ inverseDeviation: Floats, _ gamma: Floats,
    rows parts: Parts, width H: Int, _ pool: ThreadPool
  ) {
    // First the columns: the rows may overwrite dy.
    parameterGradients(dgamma, dbeta, dy, normalized, rows: parts, width: H, pool)
    pool.run(over: parts.rows, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        rowBackward(
          dx + t * H, dy + t * H, normalized + t * H, inverseDeviation[t], gamma, width: H)
      }
    }
  }

  /// One row of `forward`; returns its inverse deviation.
  @inline(__always)
  static func row(
    _ y: MutableFloats, _ normalized: MutableFloats, _ x: Floats, _ gamma: Floats, _ beta: Floats,
    epsilon: Float, width H: Int
  ) -> Float {
    let mean = Vector(repeating: RowSum.of(H) { c, lanes in load(x, c, lanes) } / Float(H))
    let variance =
      RowSum.of(H) { c, lanes in
        // Filled with the mean, so that lanes past the row add nothing.
        let centred = load(x, c, lanes, fill: mean[0]) - mean
        return centred * centred
      } / Float(H)
    let inverse = 1 / (variance + epsilon).squareRoot()
    eachVector(H) { c, lanes in
      let unit = (load(x, c, lanes) - mean) * inverse
      store(unit, normalized, c, lanes)
      store(load(beta, c, lanes).adding(unit, times: load(gamma, c, lanes)), y, c, lanes)
    }
    return inverse
  }

  /// One row of the gradient at x. With g = dy * gamma:
  /// dx = inverseDeviation * (g - mean(g) - x̂ * mean(g * x̂)).
  @inline(__always)
  static func rowBackward(
    _ dx: MutableFloats, _ dy: Floats, _ normalized: Floats, _ inverseDeviation: Float,
    _ gamma: Floats, width H: Int
  ) {
    let mean =
      RowSum.of(H) { c, lanes in load(dy, c, lanes) * load(gamma, c, lanes) } / Float(H)
    let product =
      RowSum.of(H) { c, lanes in
        load(dy, c, lanes) * load(gamma, c, lanes) * load(normalized, c, lanes)
      } / Float(H)
    eachVector(H) { c, lanes in
      let g = load(dy, c, lanes) * load(gamma, c, lanes) - mean
      let d = g.adding(load(normalized, c, lanes), times: Vector(repeating: -product))
      store(d * inverseDeviation, dx, c, lanes)
    }
  }

  /// dgamma [H] = column sums of dy * x̂, dbeta [H] = column sums of dy.
  static func parameterGradients(
    _ dgamma: MutableFloats, _ dbeta: MutableFloats, _ dy: Floats, _ normalized: Floats,
    rows parts: Parts, width H: Int, _ pool: ThreadPool
  ) {
    let gamma = ColumnSum(out: dgamma, parts: parts, width: H)
    let beta = ColumnSum(out: dbeta, parts: parts, width: H)
    pool.run(2 * gamma.blocks) { task, _ in
      if task < gamma.blocks {
        gamma.run(block: task) { i, lanes in load(dy, i, lanes) * load(normalized, i, lanes) }
      } else {
        beta.run(block: task - gamma.blocks) { i, lanes in load(dy, i, lanes) }
      }
    }
  }
}

/// Sums along a row.
enum RowSum {
  /// The sum of `value` over `count` elements, whose lanes past the end must be 0: four running
  /// vectors, which are added pairwise at the end.
  @inline(__always)
  static func of(_ count: Int, _ value: (_ c: Int, _ lanes: Int) -> Vector) -> Float {
    var s0 = Vector()
    var s1 = Vector()
    var s2 = Vector()
    var s3 = Vector()
    var c = 0
    while c &+ 32 <= count {
      s0 += value(c, 8)
      s1 += value(c &+ 8, 8)
      s2 += value(c &+ 16, 8)
      s3 += value(c &+ 24, 8)
      c &+= 32
    }
    while c < count {
      s0 += value(c, min(8, count &- c))
      c &+= 8
    }
    return ((s0 + s1) + (s2 + s3)).laneSum
  }
}
