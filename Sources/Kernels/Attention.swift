// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Scaled dot-product attention over packed sequences (Vaswani et al., arXiv 1706.03762): for every
/// sequence and head softmax(Q Kᵀ / √D), dropout on the probabilities, times V. No token sees another
/// sequence, and nothing is computed on padding.
///
/// A block is one head of one sequence. Element (head, i, j) of a sequence's mask takes word j % 4 of
/// dropout counter (first + (head * n + i) * ceil(n/4) + j/4, site, row of the sequence, step); `first` is
/// 0 unless a row of the data set is several sequences here.
///
/// T tokens, S sequences, n tokens of one sequence, H = N · D hidden, N heads, D head width.
package enum Attention {
  /// Floats of the probabilities of a batch: N · Σ n².
  package static func probabilityCount(
    cumulativeLengths: UnsafeBufferPointer<Int32>, heads N: Int
  ) -> Int {
    N * squares(cumulativeLengths, before: max(cumulativeLengths.count - 1, 0))
  }

  /// Floats of scratch that `forward` and `backward` need for batches without a sequence longer than
  /// `longest`.
  package static func scratchCount(longest: Int, threads: Int) -> Int {
    threads * Scratch.count(longest: longest)
  }

  /// context [T,H] = attention of qkv [T,3H], whose columns are Q | K | V, head h at columns h·D of
  /// each.
  ///
  /// Overwrites context and probabilities (before dropout, kept for backward): for sequence s a block
  /// [N,n,n] that starts at N · Σ n² of the sequences before it.
  ///
  /// - Parameters:
  ///   - cumulativeLengths: [S+1] where each sequence starts, and T; from 0, never falling.
  ///   - sequenceRows: [S] rows in the dataset, which key the dropout.
  ///   - keyCounts: [S] how many of a sequence's tokens are looked at, its first ones; nil for all. Those
  ///     beyond are padding that is computed: they look, and nobody looks at them. With 0 all are padding,
  ///     and look at all alike: in Hugging Face's arithmetic the mask's least float swallows every score.
  ///   - firstCounters: [S] where each sequence's dropout counters begin; nil for 0.
  ///   - bias: Added to the scores before the softmax.
  package static func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: Floats,
    _ scratch: MutableFloats, cumulativeLengths: UnsafeBufferPointer<Int32>,
    sequenceRows: UnsafePointer<UInt32>, keyCounts: UnsafePointer<Int32>? = nil,
    firstCounters: UnsafePointer<UInt32>? = nil, heads N: Int, headWidth D: Int,
    bias: DistanceBias? = nil, _ key: DropoutKey, _ pool: ThreadPool
  ) {
    let scale = 1 / Float(D).squareRoot()
    eachHead(
      cumulativeLengths, sequenceRows, firstCounters, scratch, heads: N, headWidth: D, pool
    ) { head in
      let (n, H) = (head.length, N * D)
      let p = probabilities + head.probabilityOffset
      let q = qkv + head.start * 3 * H + head.number * D
      let (k, v) = (q + H, q + 2 * H)
      head.productTransposed(p, q, 3 * H, k, 3 * H, width: D)
      let keys = keyCounts.map { Int($0[head.sequence]) } ?? n
      for i in 0..<n {
        let p = p + i * n
        guard keys > 0 else {
          p.update(repeating: 1 / Float(n), count: n)
          continue
        }
        bias?.add(to: p, scale: scale, row: i, count: keys, head: head.number)
        Softmax.row(p, count: keys, scale: bias == nil ? scale : 1)
        (p + keys).update(repeating: 0, count: n - keys)
      }
      let kept = head.dropped(p, key)
      let c = context + head.start * H + head.number * D
      head.product(c, H, kept, row: n, depth: 1, v, 3 * H, width: D)
    }
  }

  /// dqkv [T,3H], the gradient of `forward` at qkv, from dcontext [T,H]; overwritten.
  ///
  /// - Parameter dbias: Overwritten with the gradients of a bias that `forward` added.
  package static func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats,
    _ scratch: MutableFloats, cumulativeLengths: UnsafeBufferPointer<Int32>,
    sequenceRows: UnsafePointer<UInt32>, firstCounters: UnsafePointer<UInt32>? = nil,
    heads N: Int, headWidth D: Int, dbias: DistanceBiasGradient? = nil, _ key: DropoutKey,
    _ pool: ThreadPool
  ) {
    let scale = 1 / Float(D).squareRoot()
    eachHead(
      cumulativeLengths, sequenceRows, firstCounters, scratch, heads: N, headWidth: D, pool
    ) { head in
      let (n, H) = (head.length, N * D)
      let p = probabilities + head.probabilityOffset
      let offset = head.start * 3 * H + head.number * D
      let (q, k, v) = (qkv + offset, qkv + offset + H, qkv + offset + 2 * H)
      let (dq, dk, dv) = (dqkv + offset, dqkv + offset + H, dqkv + offset + 2 * H)
      let dc = dcontext + head.start * H + head.number * D

      // context = kept · v
      let kept = head.dropped(p, key)
      head.product(dv, 3 * H, kept, row: 1, depth: n, dc, H, width: D)
      let ds = head.scores
      head.productTransposed(ds, dc, H, v, 3 * H, width: D)
      // kept = softmax(scale * scores) * mask
      for i in 0..<n {
        Softmax.rowBackward(
          ds + i * n, p + i * n, kept: kept + i * n, count: n, scale: dbias == nil ? scale : 1)
      }
      dbias?.sum(ds, scale: scale, count: n, start: head.start, head: head.number)
      // scores = q · kᵀ
      head.product(dq, 3 * H, ds, row: n, depth: 1, k, 3 * H, width: D)
      head.product(dk, 3 * H, ds, row: 1, depth: n, q, 3 * H, width: D)
    }
  }

  /// Calls `body` for every head of every sequence that has tokens.
  private static func eachHead(
    _ cumulativeLengths: UnsafeBufferPointer<Int32>, _ sequenceRows: UnsafePointer<UInt32>,
    _ firstCounters: UnsafePointer<UInt32>?, _ scratch: MutableFloats, heads N: Int,
    headWidth D: Int, _ pool: ThreadPool,
    _ body: (Head) -> Void
  ) {
    let sequences = max(cumulativeLengths.count - 1, 0)
    let longest = (0..<sequences).reduce(0) { max($0, length(cumulativeLengths, $1)) }
    let scratchCount = Scratch.count(longest: longest)
    pool.run(sequences * N) { block, thread in
      let (s, h) = (block / N, block % N)
      let n = length(cumulativeLengths, s)
      guard n > 0 else { return }
      body(
        Head(
          number: h, sequence: s, start: Int(cumulativeLengths[s]), length: n,
          probabilityOffset: N * squares(cumulativeLengths, before: s) + h * n * n,
          row: sequenceRows[s], firstCounter: Int(firstCounters?[s] ?? 0),
          scratch: scratch + thread * scratchCount, longest: longest))
    }
  }

  /// p [n,n] of a head of dataset row `row` after dropout: a copy in `kept`, or p itself without dropout.
  ///
  /// - Parameter firstCounter: Of head 0's first element.
  static func dropped(
    _ kept: MutableFloats, _ p: Floats, count n: Int, head: Int, row: UInt32, firstCounter: Int = 0,
    _ key: DropoutKey
  ) -> Floats {
    guard key.isActive else { return p }
    for i in 0..<n {
      let (kept, p) = (kept + i * n, p + i * n)
      let block = firstCounter + (head * n + i) * DropoutKey.blocks(width: n)
      key.map(kept, count: n, row: row, block: block) { factor, j, lanes in
        load(p, j, lanes) * factor
      }
    }
    return Floats(kept)
  }

  static func length(_ cumulativeLengths: UnsafeBufferPointer<Int32>, _ s: Int) -> Int {
    Int(cumulativeLengths[s + 1]) - Int(cumulativeLengths[s])
  }

  static func squares(
    _ cumulativeLengths: UnsafeBufferPointer<Int32>, before sequence: Int
  ) -> Int {
    (0..<sequence).reduce(0) { sum, s in
      let n = length(cumulativeLengths, s)
      return sum + n * n
    }
  }
}

/// What one thread needs for one head: dropped probabilities [n,n], their gradient [n,n], and the
/// packed operands of a product.
private enum Scratch {
  /// Columns of a head that are packed at a time; wider heads go in several parts.
  static let widest = 64

  static func square(longest: Int) -> Int { (longest * longest + 15) & ~15 }

  static func count(longest: Int) -> Int {
    2 * square(longest: longest) + SmallProduct.packedCount(depth: widest, columns: longest)
      + (SmallProduct.tileRows * max(longest, widest) + 15) & ~15
  }
}

/// One head of one sequence.
private struct Head {
  /// Which head, and of which sequence.
  let number, sequence: Int
  /// The sequence's first token and its length n.
  let start, length: Int
  /// Where its [n,n] probabilities begin.
  let probabilityOffset: Int
  /// The sequence's row in the dataset.
  let row: UInt32
  /// Where its dropout counters begin.
  let firstCounter: Int
  /// Scratch of the thread at work.
  let scratch: MutableFloats
  let longest: Int

  /// [n,n] for the gradient at the probabilities and scores.
  var scores: MutableFloats { scratch + Scratch.square(longest: longest) }
  private var packed: MutableFloats { scratch + 2 * Scratch.square(longest: longest) }
  private var tile: MutableFloats {
    packed + SmallProduct.packedCount(depth: Scratch.widest, columns: longest)
  }

  /// p [n,n] after dropout: a copy in scratch, or p itself without dropout.
  func dropped(_ p: Floats, _ key: DropoutKey) -> Floats {
    Attention.dropped(
      scratch, p, count: length, head: number, row: row, firstCounter: firstCounter, key)
  }

  /// c [n,n] = a [n,width] · b [n,width]ᵀ, both with their row strides.
  func productTransposed(
    _ c: MutableFloats, _ a: Floats, _ aRow: Int, _ b: Floats, _ bRow: Int, width: Int
  ) {
    for first in stride(from: 0, to: width, by: Scratch.widest) {
      let depth = min(Scratch.widest, width - first)
      SmallProduct.packTransposed(packed, b + first, stride: bRow, depth: depth, columns: length)
      SmallProduct.multiply(
        c, cRow: length, a + first, aRow: aRow, aDepth: 1, packed: packed,
        tile: tile, rows: length, columns: length, depth: depth, accumulate: first > 0)
    }
  }

  /// c [n,width] = a [n,n] · b [n,width]; a with any strides, its transpose too.
  func product(
    _ c: MutableFloats, _ cRow: Int, _ a: Floats, row: Int, depth: Int, _ b: Floats, _ bRow: Int,
    width: Int
  ) {
    for first in stride(from: 0, to: width, by: Scratch.widest) {
      let columns = min(Scratch.widest, width - first)
      SmallProduct.pack(packed, b + first, stride: bRow, depth: length, columns: columns)
      SmallProduct.multiply(
        c + first, cRow: cRow, a, aRow: row, aDepth: depth, packed: packed,
        tile: tile, rows: length, columns: columns, depth: length, accumulate: false)
    }
  }
}
