import Processors
import Tiles
import Tiles512

/// The tiles that a processor multiplies matrices by; all give the same bits.
struct TileKernel: Sendable, Equatable {
  /// Rows of a whole tile; the last tile of a matrix may have two thirds or a third of them.
  let rows: Int
  /// Columns of a tile.
  let columns: Int

  static let avx2 = TileKernel(rows: 6, columns: 16)
  static let avx512 = TileKernel(rows: 12, columns: 32)

  /// Those that run here, the fastest first.
  static let available = Processor.current.hasAVX512 ? [avx512, avx2] : [avx2]

  /// Rows of the tile for the last `remaining` rows of a matrix.
  func height(_ remaining: Int) -> Int {
    let third = rows / 3
    return min(rows, (remaining + third - 1) / third * third)
  }

  /// Tiles one below the other over `count` rows of a matrix.
  func tileCount(_ count: Int) -> Int { (count + rows - 1) / rows }

  /// Tiles side by side over `count` columns of a matrix.
  func panelCount(_ count: Int) -> Int { (count + columns - 1) / columns }

  /// Floats of a packed left operand of a tile of `height` rows: packing narrow rows runs over.
  func packedCount(height: Int, depth: Int) -> Int {
    (height * depth + (height < 8 ? 8 : 0) + 15) & ~15
  }

  /// c [height, columns] = start [columns] + a [depth, height] · b [depth, columns], or += if
  /// `accumulate`.
  ///
  /// - Parameters:
  ///   - c: rows `stride` apart.
  ///   - start: what every row begins with; nil for zeros.
  ///   - a: packed, like b.
  @inline(__always)
  func multiply(
    height: Int, _ c: MutableFloats, stride: Int, start: Floats?, _ a: Floats, _ b: Floats,
    depth: Int, accumulate: Bool
  ) {
    if columns == 32 {
      Tile512.multiply(
        rows: height, c, stride: stride, start: start, a, b, depth: depth, accumulate: accumulate)
    } else {
      multiplyNarrow(
        height, c, stride: stride, start: start, a, b, depth: depth, accumulate: accumulate)
    }
  }
}

@inline(never)
private func multiplyNarrow(
  _ height: Int, _ c: MutableFloats, stride: Int, start: Floats?, _ a: Floats, _ b: Floats,
  depth: Int, accumulate: Bool
) {
  switch height {
  case 6:
    var tile = Tile<6, Vector>(start: start)
    tile.multiply(a, b, depth: depth)
    tile.write(c, stride: stride, accumulate: accumulate)
  case 4:
    var tile = Tile<4, Vector>(start: start)
    tile.multiply(a, b, depth: depth)
    tile.write(c, stride: stride, accumulate: accumulate)
  default:
    var tile = Tile<2, Vector>(start: start)
    tile.multiply(a, b, depth: depth)
    tile.write(c, stride: stride, accumulate: accumulate)
  }
}
