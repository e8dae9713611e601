/// The product that gives a weight's gradient, dw = dyᵀ · x: a sum over the rows of a batch, which is
/// made for each part by itself and then over the parts in their tree, tile by tile in the cache.
///
/// A part's sum is cut into blocks as in ``MatrixProduct``.
///
/// T rows, O outputs, I inputs.
struct WeightProduct {
  /// [O, I]
  let dw: MutableFloats
  /// [T, O]
  let dy: Floats
  /// [T, I]
  let x: Floats
  let outputs: Int
  let inputs: Int
  let parts: Parts
  let kernel: TileKernel

  private var panelCount: Int { kernel.panelCount(inputs) }
  private var leftCount: Int { kernel.packedCount(height: kernel.rows, depth: parts.rows) }
  private var rightCount: Int { kernel.columns * parts.rows }

  /// Tiles over the outputs.
  var tileCount: Int { kernel.tileCount(outputs) }

  /// Floats of both packed operands.
  var packedCount: Int { tileCount * leftCount + panelCount * rightCount }

  /// Pieces of work in ``pack(_:into:)``.
  var packingCount: Int { tileCount + panelCount }

  /// Floats that a thread needs for ``multiply(tiles:packed:scratch:)``.
  var scratchCount: Int { (1 + (parts.levels + 1) * kernel.rows) * kernel.columns }

  /// Packs one tile of the left operand or one panel of the right one.
  func pack(_ number: Int, into packed: MutableFloats) {
    if number < tileCount {
      let first = number * kernel.rows
      let count = min(kernel.rows, outputs - first)
      Packing.rows(
        packed + number * leftCount, width: kernel.height(count), dy + first, stride: outputs,
        columns: count, depth: parts.rows)
    } else {
      let panel = number - tileCount
      let first = panel * kernel.columns
      Packing.rows(
        packed + tileCount * leftCount + panel * rightCount, width: kernel.columns, x + first,
        stride: inputs, columns: min(kernel.columns, inputs - first), depth: parts.rows)
    }
  }

  /// Computes some tiles' rows of dw.
  func multiply(tiles: Range<Int>, packed: Floats, scratch: MutableFloats) {
    for panel in 0..<panelCount {
      let first = panel * kernel.columns
      let edge = Edge(
        scratch, columns: min(kernel.columns, inputs - first), of: kernel.columns)
      let right = packed + tileCount * leftCount + panel * rightCount
      for tile in tiles {
        let top = tile * kernel.rows
        multiply(
          rows: min(kernel.rows, outputs - top), dw + top * inputs + first, edge,
          packed + tile * leftCount, right, scratch + (1 + kernel.rows) * kernel.columns)
      }
    }
  }

  private func multiply(
    rows: Int, _ c: MutableFloats, _ edge: Edge, _ left: Floats, _ right: Floats,
    _ partial: MutableFloats
  ) {
    let height = kernel.height(rows)
    let size = kernel.rows * kernel.columns
    if parts.count == 1 && parts.rows > 0 {
      eachBlock(parts[0]) { block, isFirst in
        edge.multiply(
          kernel, rows: rows, c, stride: inputs, start: nil, left + block.lowerBound * height,
          right + block.lowerBound * kernel.columns, depth: block.count, accumulate: !isFirst)
      }
      return
    }
    parts.sum { part, level in
      let sum = partial + level * size
      if part.isEmpty { sum.update(repeating: 0, count: size) }
      eachBlock(part) { block, isFirst in
        kernel.multiply(
          height: height, sum, stride: kernel.columns, start: nil,
          left + block.lowerBound * height, right + block.lowerBound * kernel.columns,
          depth: block.count, accumulate: !isFirst)
      }
    } combine: { level in
      let (sum, other) = (partial + level * size, partial + (level + 1) * size)
      eachVector(height * kernel.columns) { i, lanes in
        store(load(sum, i, lanes) + load(other, i, lanes), sum, i, lanes)
      }
    }
    edge.copy(partial, rows: rows, to: c, stride: inputs)
  }

  @inline(__always)
  private func eachBlock(_ part: Range<Int>, _ body: (Range<Int>, _ isFirst: Bool) -> Void) {
    var start = part.lowerBound
    while start < part.upperBound {
      let end = min(start + MatrixProduct.depthBlock, part.upperBound)
      body(start..<end, start == part.lowerBound)
      start = end
    }
  }
}
