// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// A fully connected layer, y = x Wᵀ + b, weights [outputs, inputs] as PyTorch keeps them.
///
/// T rows (tokens or sequences), I inputs, O outputs.
package enum Linear {
  /// y [T,O] = x [T,I] · w [O,I]ᵀ + b [O], without b if nil. y is overwritten.
  package static func forward(
    _ y: MutableFloats, _ x: Floats, _ w: Floats, _ b: Floats?,
    rows T: Int, inputs I: Int, outputs O: Int, _ pool: ThreadPool
  ) {
    let product = MatrixProduct(
      c: y, a: x, b: .columns(w, stride: I), bias: b, columns: O, depth: I, kernel: pool.kernel)
    run(product, rows: T, beside: nil, bias: nil, pool)
  }

  /// The gradients of `forward`, from dy [T,O].
  ///
  /// - dx [T,I] = dy · w, or += if `accumulateInput`; not computed if nil. Must not alias dy or x.
  /// - dw [O,I] = dyᵀ · x, summed over the parts in their tree, overwritten; zeros when T is 0.
  /// - db [O] = column sums of dy, likewise; not computed if nil.
  package static func backward(
    _ dx: MutableFloats?, _ dw: MutableFloats, _ db: MutableFloats?,
    _ dy: Floats, _ x: Floats, _ w: Floats,
    rows parts: Parts, inputs I: Int, outputs O: Int, accumulateInput: Bool = false,
    _ pool: ThreadPool
  ) {
    let product = dx.map {
      MatrixProduct(
        c: $0, a: dy, b: .rows(w, stride: I), columns: I, depth: O, accumulate: accumulateInput,
        kernel: pool.kernel)
    }
    let weights = WeightProduct(
      dw: dw, dy: dy, x: x, outputs: O, inputs: I, parts: parts, kernel: pool.kernel)
    let bias = db.map { ColumnSum(out: $0, parts: parts, width: O) }
    run(product, rows: parts.rows, beside: weights, bias: bias.map { ($0, dy) }, pool)
  }

  /// Runs everything at once, so that no thread waits between the products; of a product with very
  /// many rows only the first ones.
  private static func run(
    _ product: MatrixProduct?, rows T: Int, beside weights: WeightProduct?,
    bias: (sum: ColumnSum, of: Floats)?, _ pool: ThreadPool
  ) {
    let step = max(1, product?.rowsAtATime(T) ?? T)
    let leftCount = product?.packedCount(rows: min(step, T)) ?? 0
    let scratchCount =
      (max(product?.scratchCount ?? 0, weights?.scratchCount ?? 0) + 15) & ~15
    let left = pool.workspace.reserve(
      leftCount + (weights?.packedCount ?? 0) + pool.threads * scratchCount)
    let operands = left + leftCount
    let scratch = operands + (weights?.packedCount ?? 0)

    var first = true
    for start in stride(from: 0, to: max(T, 1), by: step) {
      let rows = start..<min(T, start + step)
      let weights = first ? weights : nil
      let bias = first ? bias : nil
      first = false
      let tiles = product.map { $0.kernel.tileCount(rows.count) } ?? 0
      pool.run(tiles + (weights?.packingCount ?? 0)) { task, _ in
        if task < tiles {
          product?.pack(tile: task, of: rows, into: left)
        } else {
          weights?.pack(task - tiles, into: operands)
        }
      }
      // The largest pieces first: the smaller ones fill the gaps at the end.
      let weightGroups = Groups(weights?.tileCount ?? 0, pool)
      let panels = Groups(product.map { $0.kernel.panelCount($0.columns) } ?? 0, pool)
      pool.run(weightGroups.count + panels.count + (bias?.sum.blocks ?? 0)) { task, thread in
        let scratch = scratch + thread * scratchCount
        var task = task
        if task < weightGroups.count {
          weights?.multiply(tiles: weightGroups[task], packed: operands, scratch: scratch)
          return
        }
        task -= weightGroups.count
        if task < panels.count {
          product?.multiply(panels: panels[task], of: rows, packed: left, scratch: scratch)
          return
        }
        guard let bias else { return }
        bias.sum.run(block: task - panels.count) { i, lanes in load(bias.of, i, lanes) }
      }
    }
  }
}

/// Neighbouring tiles or panels that one thread computes after another: three times as many groups
/// as threads, so that the last to end is not late by much.
private struct Groups {
  private let total: Int
  private let size: Int

  init(_ total: Int, _ pool: ThreadPool) {
    self.total = total
    size = max(1, total / (3 * pool.threads))
  }

  var count: Int { (total + size - 1) / size }

  subscript(group: Int) -> Range<Int> { group * size..<min(total, (group + 1) * size) }
}
