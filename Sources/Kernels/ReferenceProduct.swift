import COpenBLAS

/// Matrix products as OpenBLAS computes them: what lockstep's own are tested and measured against.
/// Nothing that trains calls it.
package enum ReferenceProduct {
  /// Whether a matrix is stored as it is multiplied, or transposed.
  package enum Operand: Sendable {
    case plain, transposed
  }

  /// How many threads of its own OpenBLAS uses from now on, for all of the process.
  ///
  /// They spin for about a tenth of a second after each product: time nothing else in the meantime.
  package static func setThreads(_ count: Int) { openblas_set_num_threads(Int32(count)) }

  /// c [rows, columns] = a · b, overwritten; all matrices are row-major without gaps.
  ///
  /// - Parameters:
  ///   - a: [rows, depth]; transposed: [depth, rows].
  ///   - b: [depth, columns]; transposed: [columns, depth].
  package static func multiply(
    _ c: MutableFloats, _ a: Floats, _ aOperand: Operand, _ b: Floats, _ bOperand: Operand,
    rows: Int, columns: Int, depth: Int
  ) {
    guard rows > 0, columns > 0 else { return }
    cblas_sgemm(
      CblasRowMajor, aOperand == .plain ? CblasNoTrans : CblasTrans,
      bOperand == .plain ? CblasNoTrans : CblasTrans,
      blasint(rows), blasint(columns), blasint(depth), 1,
      a, blasint(max(1, aOperand == .plain ? depth : rows)),
      b, blasint(max(1, bOperand == .plain ? columns : depth)), 0, c, blasint(columns))
  }
}
