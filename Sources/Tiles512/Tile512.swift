import Tiles

/// Tiles of up to 12 rows by 32 columns for processors with AVX-512: 24 accumulators of 16 floats.
///
/// This module alone is compiled for AVX-512, and so holds nothing else: it may be called only where the
/// processor has it.
package enum Tile512 {
  /// c [rows, 32] = start [32] + a [depth, rows] · b [depth, 32], or += if `accumulate`.
  ///
  /// - Parameters:
  ///   - rows: 12, 8 or 4.
  ///   - c: rows `stride` apart.
  ///   - start: what every row begins with; nil for zeros.
  package static func multiply(
    rows: Int, _ c: UnsafeMutablePointer<Float>, stride: Int, start: UnsafePointer<Float>?,
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, depth: Int, accumulate: Bool
  ) {
    switch rows {
    case 12:
      var tile = TallTile<6, SIMD16<Float>>(start: start)
      tile.multiply(a, b, depth: depth)
      tile.write(c, stride: stride, accumulate: accumulate)
    case 8:
      var tile = Tile<8, SIMD16<Float>>(start: start)
      tile.multiply(a, b, depth: depth)
      tile.write(c, stride: stride, accumulate: accumulate)
    default:
      var tile = Tile<4, SIMD16<Float>>(start: start)
      tile.multiply(a, b, depth: depth)
      tile.write(c, stride: stride, accumulate: accumulate)
    }
  }
}
