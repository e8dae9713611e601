// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Attention by content and by relative position over packed sequences (He et al., arXiv 2006.03654):
/// the score of query i and key j is
///
///     scale · (q(i) · k(j) + q(i) · pk(r) + k(j) · pq(r)), r the row of the distance i - j,
///
/// with a key pk and a query pq for every row of relative positions; either may be absent. Softmax,
/// dropout and its counters are ``Attention``'s.
///
/// The vectors are spread over the distances -(R - 1)...R - 1 and packed once a head and batch. Against
/// them, token t's products stand in a row, of which a stretch of n counts: t's place moves it by one.
/// Products are therefore made for six tokens at a time, n + 5 distances wide, and added with a shift.
///
/// T tokens, S sequences, n tokens of one sequence, R the longest, H = N · D hidden, N heads, D head
/// width, c a distance counted from the first.
package struct RelativeAttention {
  /// N
  let heads: Int
  /// D
  let headWidth: Int
  /// From a head's columns of qkv to the next one's.
  let headStep: Int
  /// From a head's queries to its keys, and from its keys to its values.
  let operandStep: Int
  let scale: Float
  let positions: RelativePositions
  let cumulativeLengths: UnsafeBufferPointer<Int32>
  let sequenceRows: UnsafePointer<UInt32>
  /// Tokens beyond a sequence's count look at all its tokens alike, and are looked at by each other
  /// alone.
  let keyCounts: UnsafePointer<Int32>?

  /// - Parameters:
  ///   - interleaved: Whether qkv has query, key and value of a head beside each other; else the queries
  ///     of all heads come first.
  ///   - cumulativeLengths: [S+1] where each sequence starts, and T; from 0, never falling.
  ///   - sequenceRows: [S] rows in the dataset, which key the dropout.
  ///   - keyCounts: [S] how many of a sequence's tokens are real, its first ones; nil for all.
  package init(
    heads: Int, headWidth: Int, interleaved: Bool, scale: Float, positions: RelativePositions,
    cumulativeLengths: UnsafeBufferPointer<Int32>, sequenceRows: UnsafePointer<UInt32>,
    keyCounts: UnsafePointer<Int32>?
  ) {
    self.heads = heads
    self.headWidth = headWidth
    headStep = interleaved ? 3 * headWidth : headWidth
    operandStep = interleaved ? headWidth : heads * headWidth
    self.scale = scale
    self.positions = positions
    self.cumulativeLengths = cumulativeLengths
    self.sequenceRows = sequenceRows
    self.keyCounts = keyCounts
  }

  /// Floats of scratch that `forward` and `backward` need for batches without a sequence longer than
  /// `longest`.
  package static func scratchCount(longest: Int, heads: Int, headWidth: Int, threads: Int) -> Int {
    let sizes = RelativeScratch(longest: longest, width: headWidth)
    return 2 * heads * sizes.spreadCount + threads * sizes.count
  }

  /// context [T,H] from qkv [T,3H]; overwrites probabilities, before dropout, in blocks [N,n,n] a
  /// sequence.
  package func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: Floats, keys: PositionVectors?,
    queries: PositionVectors?, _ scratch: MutableFloats, _ key: DropoutKey, _ pool: ThreadPool
  ) {
    let (N, H) = (heads, heads * headWidth)
    let sizes = RelativeScratch(longest: positions.reach, width: headWidth)
    let own = scratch + 2 * N * sizes.spreadCount
    spread(keys, queries, scratch, own, sizes, pool) { packed, vectors in
      SmallProduct.packTransposed(
        packed, vectors, stride: headWidth, depth: headWidth, columns: sizes.distances)
    }
    let sequences = max(cumulativeLengths.count - 1, 0)
    pool.run(sequences * N) { block, thread in
      let (s, h) = (block / N, block % N)
      let head = RelativeHead(
        self, sequence: s, number: h, sizes, own + thread * sizes.count, stride: 3 * H)
      guard head.length > 0 else { return }
      let p = probabilities + head.probabilityOffset
      let q = qkv + head.start * 3 * H + h * headStep
      let (k, v) = (q + operandStep, q + 2 * operandStep)
      head.scores(p, q, k)
      if keys != nil { head.addKeys(p, q, spread: scratch + h * sizes.spreadCount) }
      if queries != nil { head.addQueries(p, k, spread: scratch + (N + h) * sizes.spreadCount) }
      head.softmax(p, scale: scale)
      head.context(context + head.start * H + h * headWidth, p, v, stride: H, key)
    }
  }

  /// dqkv [T,3H] and the gradients at the position vectors, those of each part by itself, from
  /// dcontext [T,H]; all overwritten.
  ///
  /// A task is a head of a part, whose sequences it goes through in their order: bits depend on nothing
  /// else.
  package func backward(
    _ dqkv: MutableFloats, dkeys: PositionGradients?, dqueries: PositionGradients?,
    _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, keys: PositionVectors?,
    queries: PositionVectors?, parts: [PositionPart], _ scratch: MutableFloats, _ key: DropoutKey,
    _ pool: ThreadPool
  ) {
    let (N, H) = (heads, heads * headWidth)
    let sizes = RelativeScratch(longest: positions.reach, width: headWidth)
    let own = scratch + 2 * N * sizes.spreadCount
    spread(keys, queries, scratch, own, sizes, pool) { packed, vectors in
      SmallProduct.pack(
        packed, vectors, stride: headWidth, depth: sizes.distances, columns: headWidth)
    }
    pool.run(parts.count * N) { task, thread in
      let (part, h) = (parts[task / N], task % N)
      let dpk = dkeys.map { HeadGradients($0, part, head: h, width: headWidth) }
      let dpq = dqueries.map { HeadGradients($0, part, head: h, width: headWidth) }
      dpk?.clear()
      dpq?.clear()
      for s in part.sequences {
        let head = RelativeHead(
          self, sequence: s, number: h, sizes, own + thread * sizes.count, stride: 3 * H)
        guard head.length > 0 else { continue }
        let offset = head.start * 3 * H + h * headStep
        let (q, k) = (qkv + offset, qkv + (offset + operandStep))
        let dq = dqkv + (offset + part.tokenShift * 3 * H)
        let dk = dq + operandStep
        head.scoreGradients(
          dv: dq + 2 * operandStep, dcontext + (head.start * H + h * headWidth),
          probabilities + head.probabilityOffset, qkv + (offset + 2 * operandStep),
          stride: H, scale: scale, key)
        head.tokenGradients(dq: dq, k, dqueries: dpq, positions)
        head.tokenGradients(dk: dk, q, dkeys: dpk, positions)
        if keys != nil { head.addToQueries(dq, spread: scratch + h * sizes.spreadCount) }
        if queries != nil { head.addToKeys(dk, spread: scratch + (N + h) * sizes.spreadCount) }
      }
    }
  }

  /// Spreads every head's keys over the distances, and then its queries, and packs them into `scratch`.
  ///
  /// - Parameters:
  ///   - own: Scratch of each thread.
  ///   - pack: Packs vectors [2R - 1, D].
  private func spread(
    _ keys: PositionVectors?, _ queries: PositionVectors?, _ scratch: MutableFloats,
    _ own: MutableFloats, _ sizes: RelativeScratch, _ pool: ThreadPool,
    pack: (_ packed: MutableFloats, _ vectors: Floats) -> Void
  ) {
    pool.run(2 * heads) { task, thread in
      // Row i has its keys j at rising c = j - i, row j its queries at rising c = i - j.
      guard let vectors = task < heads ? keys : queries else { return }
      let copy = own + thread * sizes.count
      vectors.spread(
        copy, head: task % heads, width: headWidth, over: positions, falls: task < heads)
      pack(scratch + task * sizes.spreadCount, Floats(copy))
    }
  }
}

/// One part's gradients at the position vectors of one head.
struct HeadGradients {
  private let base: MutableFloats
  private let stride: Int
  private let rows: Range<Int>
  private let width: Int

  init(_ gradients: PositionGradients, _ part: PositionPart, head: Int, width: Int) {
    base = gradients.values + (part.gradientRow * gradients.stride + head * width)
    stride = gradients.stride
    rows = part.rows
    self.width = width
  }

  func clear() {
    for row in 0..<rows.count { (base + row * stride).update(repeating: 0, count: width) }
  }

  /// Adds `values` [D] to a row of the table.
  @inline(__always)
  func add(_ values: MutableFloats, row: Int) {
    let sum = base + (row - rows.lowerBound) * stride
    eachVector(width) { c, lanes in
      store(load(sum, c, lanes) + load(values, c, lanes), sum, c, lanes)
    }
  }
}
