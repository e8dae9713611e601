// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import COpenBLAS

/// A fully connected layer, y = x Wᵀ + b, weights [outputs, inputs] as PyTorch keeps them.
///
/// The GEMMs are OpenBLAS calls of one thread on blocks whose shapes depend on T, I and O alone, so
/// the bits do not depend on the number of threads.
///
/// T rows (tokens or sequences), I inputs, O outputs.
package enum Linear {
  /// y [T,O] = x [T,I] · w [O,I]ᵀ + b [O], without b if nil. y is overwritten.
  package static func forward(
    _ y: MutableFloats, _ x: Floats, _ w: Floats, _ b: Floats?,
    rows T: Int, inputs I: Int, outputs O: Int, _ pool: ThreadPool
  ) {
    let blocks = Blocks(rows: T, columns: O)
    pool.run(blocks.count) { block, _ in
      let (rows, columns) = blocks[block]
      let corner = y + rows.lowerBound * O + columns.lowerBound
      if let b {
        for t in 0..<rows.count {
          (corner + t * O).update(from: b + columns.lowerBound, count: columns.count)
        }
      }
      gemm(
        corner, O, x + rows.lowerBound * I, I, .plain, w + columns.lowerBound * I, I, .transposed,
        rows: rows.count, columns: columns.count, depth: I, accumulate: b != nil)
    }
  }

  /// The gradients of `forward`, from dy [T,O].
  ///
  /// - dx [T,I] = dy · w, or += if `accumulateInput`; not computed if nil. Must not alias dy or x.
  /// - dw [O,I] = dyᵀ · x, overwritten; zeros when T is 0.
  /// - db [O] = column sums of dy, overwritten; not computed if nil.
  package static func backward(
    _ dx: MutableFloats?, _ dw: MutableFloats, _ db: MutableFloats?,
    _ dy: Floats, _ x: Floats, _ w: Floats,
    rows T: Int, inputs I: Int, outputs O: Int, accumulateInput: Bool = false,
    _ pool: ThreadPool
  ) {
    // One run for all three: no thread waits between them.
    let inputBlocks = Blocks(rows: dx == nil ? 0 : T, columns: I)
    let weightBlocks = Blocks(weightRows: O, columns: I)
    let biasBlocks = db == nil ? 0 : ColumnSum.blocks(width: O)
    pool.run(inputBlocks.count + weightBlocks.count + biasBlocks) { task, _ in
      var block = task
      if block < weightBlocks.count {
        let (rows, columns) = weightBlocks[block]
        gemm(
          dw + rows.lowerBound * I + columns.lowerBound, I,
          dy + rows.lowerBound, O, .transposed, x + columns.lowerBound, I, .plain,
          rows: rows.count, columns: columns.count, depth: T, accumulate: false)
        return
      }
      block -= weightBlocks.count
      if block < inputBlocks.count, let dx {
        let (rows, columns) = inputBlocks[block]
        gemm(
          dx + rows.lowerBound * I + columns.lowerBound, I,
          dy + rows.lowerBound * O, O, .plain, w + columns.lowerBound, I, .plain,
          rows: rows.count, columns: columns.count, depth: O, accumulate: accumulateInput)
        return
      }
      block -= inputBlocks.count
      guard let db else { return }
      ColumnSum.sum(db, ColumnSum.columns(block, width: O), rows: T, width: O) { i, lanes in
        load(dy, i, lanes)
      }
    }
  }

  private enum Operand {
    case plain, transposed
  }

  /// c [rows, columns] = a · b, or += if `accumulate`; each matrix with its row stride.
  private static func gemm(
    _ c: MutableFloats, _ cStride: Int, _ a: Floats, _ aStride: Int, _ aOperand: Operand,
    _ b: Floats, _ bStride: Int, _ bOperand: Operand,
    rows: Int, columns: Int, depth: Int, accumulate: Bool
  ) {
    guard depth > 0 else {
      // An empty sum; BLAS implementations differ on whether they touch c.
      if !accumulate {
        for r in 0..<rows { (c + r * cStride).update(repeating: 0, count: columns) }
      }
      return
    }
    cblas_sgemm(
      CblasRowMajor, aOperand == .plain ? CblasNoTrans : CblasTrans,
      bOperand == .plain ? CblasNoTrans : CblasTrans,
      blasint(rows), blasint(columns), blasint(depth), 1, a, blasint(aStride), b,
      blasint(bStride), accumulate ? 1 : 0, c, blasint(cStride))
  }
}

/// How the result of a GEMM is cut into blocks, from its shape alone.
///
/// A call packs the whole of the operand that it shares with its neighbours, so a block that is narrow
/// in one direction loses to packing: 96 columns cost 4 % against one call, 192 cost 1 %, 64 cost 8 %
/// (219 rows, depth 384, Zen). Hence few, wide blocks, in multiples of four as far as the width
/// allows, since thread counts mostly are powers of two; rows are cut only when there are many.
private struct Blocks {
  private let rows: Int
  private let columns: Int
  private let rowGrain: Int
  private let columnGrain: Int

  /// Blocks of a result with one row a token.
  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    // A multiple of 12, the row tile of OpenBLAS's AVX2 kernels.
    rowGrain = rows <= 512 ? max(rows, 1) : 384
    columnGrain = Blocks.grain(columns)
  }

  /// Blocks of a weight gradient: only its longer side is cut.
  init(weightRows: Int, columns: Int) {
    rows = weightRows
    self.columns = columns
    rowGrain = weightRows >= columns ? Blocks.grain(weightRows) : max(weightRows, 1)
    columnGrain = weightRows >= columns ? max(columns, 1) : Blocks.grain(columns)
  }

  /// About 192, a multiple of 16, so that there is a multiple of four blocks; one block up to 128.
  private static func grain(_ width: Int) -> Int {
    guard width > 128 else { return max(width, 1) }
    let blocks = 4 * max(1, (width + 512) / 1024)
    let even = (width + blocks - 1) / blocks
    return (even + 15) & ~15
  }

  private var across: Int { (columns + columnGrain - 1) / columnGrain }

  var count: Int { (rows + rowGrain - 1) / rowGrain * across }

  subscript(block: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let r = block / across * rowGrain
    let c = block % across * columnGrain
    return (r..<min(rows, r + rowGrain), c..<min(columns, c + columnGrain))
  }
}
