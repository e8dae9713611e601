// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Sizes of the scratch of ``RelativeAttention``.
///
/// R the longest sequence, D head width.
struct RelativeScratch {
  /// Zeros around the gradient of the scores, so that a tile of shifted rows may read past its ends.
  static let margin = 8

  /// R
  let longest: Int
  /// D
  let width: Int

  /// 2R - 1, the distances in a batch.
  var distances: Int { max(2 * longest - 1, 0) }
  /// From a row of score gradients to the next.
  func stride(_ n: Int) -> Int { (n + SmallProduct.tileRows + 7) & ~7 }
  /// [R + 2 margins, stride] score gradients, or [R, R] scores.
  var square: Int { (longest + 2 * Self.margin) * stride(longest) }
  /// [R, R] dropped probabilities.
  var kept: Int { (longest * longest + 15) & ~15 }
  /// Tokens' operands, packed either way.
  var packed: Int {
    max(
      SmallProduct.packedCount(depth: width, columns: longest),
      SmallProduct.packedCount(depth: longest, columns: width))
  }
  /// A tile's left operand.
  var tile: Int { SmallProduct.tileRows * max(stride(longest), (width + 15) & ~15) }
  /// Columns of a tile's products with the distances, from the start of a panel on.
  var stripStride: Int { max(longest + SmallProduct.tileRows + SmallProduct.panel, width) }
  var strip: Int { (SmallProduct.tileRows * stripStride + 15) & ~15 }
  /// Of one thread; also what it spreads vectors over the distances in.
  var count: Int { max(square + kept + packed + tile + strip, (distances * width + 15) & ~15) }
  /// A head's vectors over the distances, packed either way.
  var spreadCount: Int {
    max(
      SmallProduct.packedCount(depth: width, columns: distances),
      SmallProduct.packedCount(depth: distances, columns: width))
  }
}

/// One head of one sequence in ``RelativeAttention``.
///
/// n tokens of the sequence, D head width, R the longest sequence of the batch. Distances count from
/// -(R - 1): token t's stretch of n begins at R - 1 - t.
struct RelativeHead {
  /// The sequence's first token and its length n.
  let start, length: Int
  /// Where its [n,n] probabilities begin.
  let probabilityOffset: Int
  private let number: Int
  /// The sequence's row in the dataset.
  private let row: UInt32
  /// How many tokens are real.
  private let keyCount: Int
  private let sizes: RelativeScratch
  /// From a token's row in qkv to the next.
  private let rowStride: Int
  private let width: Int
  /// [n,n] scores in `forward`; [n, stride] in margins of zeros, their gradients in `backward`.
  private let square: MutableFloats
  private let kept: MutableFloats
  private let packed: MutableFloats
  private let tile: MutableFloats
  private let strip: MutableFloats

  init(
    _ attention: RelativeAttention, sequence s: Int, number: Int, _ sizes: RelativeScratch,
    _ scratch: MutableFloats, stride: Int
  ) {
    let bounds = attention.cumulativeLengths
    self.number = number
    start = Int(bounds[s])
    length = Attention.length(bounds, s)
    probabilityOffset =
      attention.heads * Attention.squares(bounds, before: s) + number * length * length
    row = attention.sequenceRows[s]
    keyCount = attention.keyCounts.map { Int($0[s]) } ?? length
    self.sizes = sizes
    rowStride = stride
    width = attention.headWidth
    square = scratch
    kept = square + sizes.square
    packed = kept + sizes.kept
    tile = packed + sizes.packed
    strip = tile + sizes.tile
  }

  private var gradientStride: Int { sizes.stride(length) }
  private var gradients: MutableFloats { square + RelativeScratch.margin * gradientStride }

  /// Calls `body` with each six tokens, and with the distances that they have to all tokens.
  @inline(__always)
  private func eachTile(_ body: (_ tokens: Range<Int>, _ distances: Range<Int>) -> Void) {
    for first in stride(from: 0, to: length, by: SmallProduct.tileRows) {
      let end = min(first + SmallProduct.tileRows, length)
      body(first..<end, sizes.longest - end..<sizes.longest + length - 1 - first)
    }
  }
}

// MARK: Forward

extension RelativeHead {
  /// p [n,n] = q · kᵀ
  func scores(_ p: MutableFloats, _ q: Floats, _ k: Floats) {
    let n = length
    SmallProduct.packTransposed(packed, k, stride: rowStride, depth: width, columns: n)
    SmallProduct.multiply(
      p, cRow: n, q, aRow: rowStride, aDepth: 1, packed: packed, tile: tile, rows: n, columns: n,
      depth: width, accumulate: false)
  }

  /// p(i, j) += q(i) · pk(i - j)
  func addKeys(_ p: MutableFloats, _ q: Floats, spread: Floats) {
    eachStretch(q, spread: spread) { i, products in
      let p = p + i * length
      eachVector(length) { j, lanes in
        store(load(p, j, lanes) + load(products, j, lanes), p, j, lanes)
      }
    }
  }

  /// p(i, j) += k(j) · pq(i - j)
  func addQueries(_ p: MutableFloats, _ k: Floats, spread: Floats) {
    let n = length
    eachStretch(k, spread: spread) { j, products in
      (square + j * n).update(from: products, count: n)
    }
    for j in stride(from: 0, to: n, by: 8) {
      let rows = min(8, n - j)
      eachVector(n) { i, lanes in
        let block = Transposition(Floats(square) + (j * n + i), stride: n, rows: rows, lanes)
        block.add(to: p + (i * n + j), stride: n, rows: lanes, rows)
      }
    }
  }

  /// Calls `body` with the n products of each token with the vectors of its distances to all tokens.
  @inline(__always)
  private func eachStretch(
    _ x: Floats, spread: Floats, _ body: (_ token: Int, _ products: Floats) -> Void
  ) {
    let stride = sizes.stripStride
    eachTile { tokens, distances in
      let first = distances.lowerBound / SmallProduct.panel * SmallProduct.panel
      SmallProduct.multiply(
        strip, cRow: stride, x + tokens.lowerBound * rowStride, aRow: rowStride, aDepth: 1,
        packed: spread + first * width, tile: tile, rows: tokens.count,
        columns: distances.upperBound - first, depth: width, accumulate: false)
      for token in tokens {
        let row = (token - tokens.lowerBound) * stride
        body(token, Floats(strip) + (row + sizes.longest - 1 - token - first))
      }
    }
  }

  func softmax(_ p: MutableFloats, scale: Float) {
    let n = length
    for i in 0..<keyCount {
      Softmax.row(p + i * n, count: keyCount, scale: scale)
      (p + i * n + keyCount).update(repeating: 0, count: n - keyCount)
    }
    // All of a padding token's scores are the same lowest number.
    (p + keyCount * n).update(repeating: 1 / Float(n), count: (n - keyCount) * n)
  }

  /// c [n,D] = dropout(p) · v
  func context(_ c: MutableFloats, _ p: Floats, _ v: Floats, stride: Int, _ key: DropoutKey) {
    let n = length
    let kept = Attention.dropped(kept, p, count: n, head: number, row: row, key)
    SmallProduct.pack(packed, v, stride: rowStride, depth: n, columns: width)
    SmallProduct.multiply(
      c, cRow: stride, kept, aRow: n, aDepth: 1, packed: packed, tile: tile, rows: n,
      columns: width, depth: n, accumulate: false)
  }
}

// MARK: Backward

extension RelativeHead {
  /// Overwrites dv [n,D] and the gradients of the scores, scaled, from dc [n,D].
  func scoreGradients(
    dv: MutableFloats, _ dc: Floats, _ p: Floats, _ v: Floats, stride: Int, scale: Float,
    _ key: DropoutKey
  ) {
    let (n, ds, row) = (length, gradients, gradientStride)
    // c = kept · v
    let kept = Attention.dropped(kept, p, count: n, head: number, row: self.row, key)
    SmallProduct.pack(packed, dc, stride: stride, depth: n, columns: width)
    SmallProduct.multiply(
      dv, cRow: rowStride, kept, aRow: 1, aDepth: n, packed: packed, tile: tile, rows: n,
      columns: width, depth: n, accumulate: false)
    SmallProduct.packTransposed(packed, v, stride: rowStride, depth: width, columns: n)
    SmallProduct.multiply(
      ds, cRow: row, dc, aRow: stride, aDepth: 1, packed: packed, tile: tile, rows: n, columns: n,
      depth: width, accumulate: false)
    // kept = softmax(scale * scores) * mask
    for i in 0..<keyCount {
      Softmax.rowBackward(ds + i * row, p + i * n, kept: kept + i * n, count: n, scale: scale)
    }
    // What a padding token looks at is fixed.
    for i in keyCount..<n { (ds + i * row).update(repeating: 0, count: n) }
    let margin = RelativeScratch.margin * row
    square.update(repeating: 0, count: margin)
    (ds + n * row).update(repeating: 0, count: margin)
    for i in 0..<n { (ds + (i * row + n)).update(repeating: 0, count: row - n) }
  }

  /// dq [n,D] = ds · k, and dpq(i - j) += ds(i, j) k(j).
  func tokenGradients(
    dq: MutableFloats, _ k: Floats, dqueries: HeadGradients?, _ positions: RelativePositions
  ) {
    let (n, row) = (length, gradientStride)
    SmallProduct.pack(packed, k, stride: rowStride, depth: n, columns: width)
    SmallProduct.multiply(
      dq, cRow: rowStride, gradients, aRow: row, aDepth: 1, packed: packed, tile: tile, rows: n,
      columns: width, depth: n, accumulate: false)
    // c = i - j + n - 1: row i of ds moves with j.
    addDistances(dqueries, aRow: row) { positions.row($0) }
  }

  /// dk [n,D] = dsᵀ · q, and dpk(i - j) += ds(i, j) q(i).
  func tokenGradients(
    dk: MutableFloats, _ q: Floats, dkeys: HeadGradients?, _ positions: RelativePositions
  ) {
    let (n, row) = (length, gradientStride)
    SmallProduct.pack(packed, q, stride: rowStride, depth: n, columns: width)
    SmallProduct.multiply(
      dk, cRow: rowStride, gradients, aRow: 1, aDepth: row, packed: packed, tile: tile, rows: n,
      columns: width, depth: n, accumulate: false)
    // c = j - i + n - 1: column j of ds moves with i.
    addDistances(dkeys, aRow: 1) { positions.row(-$0) }
  }

  /// For each distance, the sum over the packed tokens of those with a partner at that distance, times
  /// its ds; distance c - (n - 1) is `aRow` further in ds than the one before.
  @inline(__always)
  private func addDistances(
    _ sums: HeadGradients?, aRow: Int, row: (_ distance: Int) -> Int
  ) {
    guard let sums else { return }
    let (n, step) = (length, gradientStride + 1)
    for first in stride(from: 0, to: 2 * n - 1, by: SmallProduct.tileRows) {
      let end = min(first + SmallProduct.tileRows, 2 * n - 1)
      let tokens = max(0, n - end)..<min(n, 2 * n - 1 - first)
      SmallProduct.multiply(
        strip, cRow: width, gradients + (tokens.lowerBound * step + (first - (n - 1)) * aRow),
        aRow: aRow, aDepth: step, packed: packed + tokens.lowerBound * SmallProduct.panel,
        packedDepth: n, tile: tile, rows: end - first, columns: width, depth: tokens.count,
        accumulate: false)
      for c in first..<end { sums.add(strip + (c - first) * width, row: row(c - (n - 1))) }
    }
  }

  /// dq(i) += Σ ds(i, j) pk(i - j)
  func addToQueries(_ dq: MutableFloats, spread: Floats) {
    // j = c - (R - 1) + i
    addSpread(dq, spread: spread, aRow: gradientStride + 1, aDepth: 1)
  }

  /// dk(j) += Σ ds(i, j) pq(i - j)
  func addToKeys(_ dk: MutableFloats, spread: Floats) {
    // i = c - (R - 1) + j
    addSpread(dk, spread: spread, aRow: gradientStride + 1, aDepth: gradientStride)
  }

  @inline(__always)
  private func addSpread(_ d: MutableFloats, spread: Floats, aRow: Int, aDepth: Int) {
    eachTile { tokens, distances in
      let origin = tokens.lowerBound * aRow + (distances.lowerBound - (sizes.longest - 1)) * aDepth
      SmallProduct.multiply(
        d + tokens.lowerBound * rowStride, cRow: rowStride, gradients + origin, aRow: aRow,
        aDepth: aDepth, packed: spread + distances.lowerBound * SmallProduct.panel,
        packedDepth: sizes.distances, tile: tile, rows: tokens.count, columns: width,
        depth: distances.count, accumulate: true)
    }
  }
}
