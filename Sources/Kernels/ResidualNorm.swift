// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The end of both halves of a BERT layer, LayerNorm(dropout(x + b) + residual), in one pass over
/// memory. b is the bias of the linear layer that made x.
///
/// T tokens, H hidden.
package enum ResidualNorm {
  /// y [T,H] = LayerNorm(dropout(x [T,H] + b [H]) + residual [T,H]) with gamma, beta [H].
  ///
  /// Overwrites y and, for backward, normalized [T,H] and inverseDeviation [T] as
  /// `LayerNorm.forward` does. y may alias x, and residual if no dropout is active; normalized may
  /// alias either.
  package static func forward(
    _ y: MutableFloats, _ normalized: MutableFloats, _ inverseDeviation: MutableFloats,
    _ x: Floats, _ b: Floats, _ residual: Floats, _ gamma: Floats, _ beta: Floats, epsilon: Float,
    _ key: DropoutKey, _ at: TokenCoordinates, rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        let (y, x, residual) = (y + t * H, x + t * H, residual + t * H)
        if key.isActive {
          let block = Int(at.positions[t]) * DropoutKey.blocks(width: H)
          key.map(y, count: H, row: at.rows[t], block: block) { factor, c, lanes in
            let z = load(x, c, lanes) + load(b, c, lanes)
            return load(residual, c, lanes).adding(z, times: factor)
          }
        } else {
          eachVector(H) { c, lanes in
            let z = load(x, c, lanes) + load(b, c, lanes)
            store(load(residual, c, lanes) + z, y, c, lanes)
          }
        }
        inverseDeviation[t] = LayerNorm.row(
          y, normalized + t * H, y, gamma, beta, epsilon: epsilon, width: H)
      }
    }
  }

  /// The gradients of `forward`, from dy [T,H].
  ///
  /// Overwrites dresidual [T,H] (the gradient at the sum), dx [T,H] = dresidual * mask, db [H] =
  /// column sums of dx, dgamma and dbeta [H], these three summed over the parts in their tree. dresidual may
  /// alias dy; dx may alias dresidual if no dropout is active.
  package static func backward(
    _ dx: MutableFloats, _ dresidual: MutableFloats, _ db: MutableFloats,
    _ dgamma: MutableFloats, _ dbeta: MutableFloats, _ dy: Floats,
    _ normalized: Floats, _ inverseDeviation: Floats, _ gamma: Floats,
    _ key: DropoutKey, _ at: TokenCoordinates, rows parts: Parts, width H: Int, _ pool: ThreadPool
  ) {
    // First the columns: the rows may overwrite dy.
    LayerNorm.parameterGradients(dgamma, dbeta, dy, normalized, rows: parts, width: H, pool)
    pool.run(over: parts.rows, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        let (dx, dresidual) = (dx + t * H, dresidual + t * H)
        LayerNorm.rowBackward(
          dresidual, dy + t * H, normalized + t * H, inverseDeviation[t], gamma, width: H)
        if key.isActive {
          let block = Int(at.positions[t]) * DropoutKey.blocks(width: H)
          key.map(dx, count: H, row: at.rows[t], block: block) { factor, c, lanes in
            load(dresidual, c, lanes) * factor
          }
        } else if dx != dresidual {
          dx.update(from: dresidual, count: H)
        }
      }
    }
    ColumnSum(out: db, parts: parts, width: H).run(pool) { i, lanes in load(dx, i, lanes) }
  }
}
