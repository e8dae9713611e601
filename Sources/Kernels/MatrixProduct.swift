import COpenBLAS

/// Products of two matrices whose left operand has its rows in memory one after the other: c = a · b
/// with a row of a a token. In whole tiles, threads share the columns of c.
///
/// The sum over the depth is cut into blocks; each is one chain of fused multiply-adds, and blocks
/// are added in their order. Bits depend on nothing else: neither on M and N nor on the
/// threads, the tiles or the processor.
///
/// M rows, N columns, K depth.
struct MatrixProduct {
  /// Depth of a block.
  static let depthBlock = 256
  /// Floats of the left operand that are packed at a time: 2 MiB.
  private static let packedFloats = 1 << 19

  /// How the right operand lies in memory.
  enum RightOperand {
    /// Element (k, n) at k * stride + n.
    case rows(Floats, stride: Int)
    /// Element (k, n) at n * stride + k.
    case columns(Floats, stride: Int)
  }

  /// [M, N], rows N apart.
  let c: MutableFloats
  /// [M, K], rows K apart.
  let a: Floats
  let b: RightOperand
  /// [N], what every row begins with.
  var bias: Floats?
  let columns: Int
  let depth: Int
  /// Whether c is added to.
  var accumulate = false
  let kernel: TileKernel

  /// Rows that are packed and multiplied at a time.
  func rowsAtATime(_ rows: Int) -> Int {
    min(rows, max(16, Self.packedFloats / max(depth, 1) / kernel.rows) * kernel.rows)
  }

  /// Floats of the packed left operand of `rows` rows.
  func packedCount(rows: Int) -> Int {
    depthBlocks.reduce(0) { $0 + blockCount(rows: rows, depth: $1.count) }
  }

  /// Floats that a thread needs for ``multiply(panels:of:packed:scratch:)``.
  var scratchCount: Int {
    Self.depthBlock * kernel.columns + kernel.columns + kernel.rows * kernel.columns
  }

  private var depthBlocks: [Range<Int>] {
    stride(from: 0, to: depth, by: Self.depthBlock).map { $0..<min($0 + Self.depthBlock, depth) }
  }

  private func blockCount(rows: Int, depth: Int) -> Int {
    kernel.tileCount(rows) * kernel.packedCount(height: kernel.rows, depth: depth)
  }

  /// Packs one tile of the left operand.
  ///
  /// - Parameter rows: Those of a that are packed together.
  func pack(tile: Int, of rows: Range<Int>, into packed: MutableFloats) {
    let first = rows.lowerBound + tile * kernel.rows
    let count = min(kernel.rows, rows.upperBound - first)
    let height = kernel.height(count)
    var block = packed
    for k in stride(from: 0, to: depth, by: Self.depthBlock) {
      let depth = min(Self.depthBlock, self.depth - k)
      Packing.transposed(
        block + tile * kernel.packedCount(height: kernel.rows, depth: depth), width: height,
        a + first * self.depth + k, stride: self.depth, count: count, depth: depth)
      block += blockCount(rows: rows.count, depth: depth)
    }
  }

  /// Computes some panels of c's columns for the rows that are packed.
  func multiply(
    panels: Range<Int>, of rows: Range<Int>, packed: Floats, scratch: MutableFloats
  ) {
    var block = packed
    for k in stride(from: 0, to: depth, by: Self.depthBlock) {
      let depth = min(Self.depthBlock, self.depth - k)
      for panel in panels {
        // The weights come from memory: while a panel is computed, the next one is on its way.
        var next: StridedBlock?
        if panel + 1 < panels.upperBound {
          next = rightBlock(panel: panel + 1, at: k)
        } else if k + Self.depthBlock < self.depth {
          next = rightBlock(panel: panels.lowerBound, at: k + Self.depthBlock)
        }
        multiply(panel: panel, at: k, depth: depth, rows, block, scratch, prefetching: next)
      }
      block += blockCount(rows: rows.count, depth: depth)
    }
    guard depth == 0 else { return }
    // An empty sum.
    for row in rows where !accumulate {
      for n in panels.lowerBound * kernel.columns..<min(columns, panels.upperBound * kernel.columns)
      {
        c[row * columns + n] = bias?[n] ?? 0
      }
    }
  }

  /// One panel's block of the right operand as it lies in memory.
  private func rightBlock(panel: Int, at k: Int) -> StridedBlock {
    let first = panel * kernel.columns
    let count = min(kernel.columns, columns - first)
    let depth = min(Self.depthBlock, self.depth - k)
    switch b {
    case .rows(let b, let stride):
      return StridedBlock(start: b + k * stride + first, rows: depth, width: count, stride: stride)
    case .columns(let b, let stride):
      return StridedBlock(start: b + first * stride + k, rows: count, width: depth, stride: stride)
    }
  }

  /// One block of the depth of one panel, whose right operand is packed first.
  private func multiply(
    panel: Int, at k: Int, depth: Int, _ rows: Range<Int>, _ left: Floats,
    _ scratch: MutableFloats, prefetching next: StridedBlock?
  ) {
    let width = kernel.columns
    let first = panel * width
    let count = min(width, columns - first)
    let edge = Edge(scratch, columns: count, of: width)
    let right = scratch + (kernel.rows + 1) * width
    let block = rightBlock(panel: panel, at: k)
    switch b {
    case .rows:
      Packing.rows(
        right, width: width, block.start, stride: block.stride, columns: count, depth: depth)
    case .columns:
      Packing.transposed(
        right, width: width, block.start, stride: block.stride, count: count, depth: depth)
    }
    let start = k == 0 ? bias.map { edge.padded($0 + first) } : nil
    let tiles = kernel.tileCount(rows.count)
    for tile in 0..<tiles {
      let top = tile * kernel.rows
      next?.prefetch(share: tile, of: tiles)
      edge.multiply(
        kernel, rows: min(kernel.rows, rows.count - top),
        c + (rows.lowerBound + top) * columns + first, stride: columns, start: start,
        left + tile * kernel.packedCount(height: kernel.rows, depth: depth), Floats(right),
        depth: depth, accumulate: accumulate || k > 0)
    }
  }
}

/// A block of a matrix in memory.
private struct StridedBlock {
  let start: Floats
  let rows: Int
  let width: Int
  let stride: Int

  /// Asks for one of `shares` parts of the block's rows.
  @inline(__always)
  func prefetch(share: Int, of shares: Int) {
    for row in rows * share / shares..<rows * (share + 1) / shares {
      let row = start + row * stride
      for c in Swift.stride(from: 0, to: width, by: 16) { lockstep_prefetch(row + c) }
    }
  }
}

/// Tiles over the edge of a matrix: computed in whole in scratch, and copied as far as they count.
struct Edge {
  /// [1 + rows, width]
  private let scratch: MutableFloats
  private let columns: Int
  private let width: Int

  /// - Parameters:
  ///   - scratch: [1 + rows of a tile, width] floats.
  ///   - columns: Of the tile's `width` columns those that are in the matrix.
  init(_ scratch: MutableFloats, columns: Int, of width: Int) {
    self.scratch = scratch
    self.columns = columns
    self.width = width
  }

  /// `columns` floats, and zeros up to the tile's width.
  func padded(_ x: Floats) -> Floats {
    scratch.update(repeating: 0, count: width)
    scratch.update(from: x, count: columns)
    return Floats(scratch)
  }

  /// `TileKernel.multiply` for the `rows` rows and `columns` columns that are in the matrix.
  @inline(__always)
  func multiply(
    _ kernel: TileKernel, rows: Int, _ c: MutableFloats, stride: Int, start: Floats?, _ a: Floats,
    _ b: Floats, depth: Int, accumulate: Bool
  ) {
    let height = kernel.height(rows)
    guard rows < height || columns < width else {
      return kernel.multiply(
        height: height, c, stride: stride, start: start, a, b, depth: depth,
        accumulate: accumulate)
    }
    let tile = scratch + width
    kernel.multiply(
      height: height, tile, stride: width, start: start, a, b, depth: depth, accumulate: false)
    for row in 0..<rows {
      let (c, tile) = (c + row * stride, tile + row * width)
      eachVector(columns) { n, lanes in
        let sum = load(tile, n, lanes)
        store(accumulate ? load(c, n, lanes) + sum : sum, c, n, lanes)
      }
    }
  }

  /// Copies what counts of a tile to the matrix.
  func copy(_ tile: MutableFloats, rows: Int, to c: MutableFloats, stride: Int) {
    for row in 0..<rows { (c + row * stride).update(from: tile + row * width, count: columns) }
  }
}
