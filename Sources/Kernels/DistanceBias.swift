/// A bias on attention scores that depends on the head and on how far the key is behind the query
/// (Raffel et al., arXiv 1910.10683, section 2.1; here with a value for every distance).
///
/// N heads, n tokens of a sequence, R the longest sequence.
package struct DistanceBias {
  /// [N, 2R - 1]: a head's value for key j and query i at j - i + R - 1.
  let values: Floats
  /// R
  let reach: Int

  package init(values: Floats, reach: Int) {
    self.values = values
    self.reach = reach
  }

  /// scores [n] = scores * scale + bias, of query `row`.
  func add(to scores: MutableFloats, scale: Float, row: Int, count n: Int, head: Int) {
    let bias = values + (head * (2 * reach - 1) + reach - 1 - row)
    eachVector(n) { j, lanes in
      store(
        load(bias, j, lanes).adding(load(scores, j, lanes), times: Vector(repeating: scale)),
        scores, j, lanes)
    }
  }
}

/// The gradients of a ``DistanceBias``, apart for each sequence.
package struct DistanceBiasGradient {
  /// [N · 2T]: of head h of a sequence of n tokens that begins at token t, the 2n - 1 distances from
  /// -(n - 1) on are at 2 (N t + h n).
  let sums: MutableFloats
  /// N
  let heads: Int

  package init(sums: MutableFloats, heads: Int) {
    self.sums = sums
    self.heads = heads
  }

  /// Floats of `sums` for T tokens.
  package static func count(tokens: Int, heads: Int) -> Int { 2 * tokens * heads }

  /// Where a head's distances of a sequence begin.
  package func distances(start: Int, count n: Int, head: Int) -> MutableFloats {
    sums + 2 * (heads * start + head * n)
  }

  /// Overwrites a head's sums with those of ds [n, n], in the order of queries, and multiplies ds with
  /// `scale` as the gradient of unscaled scores.
  func sum(_ ds: MutableFloats, scale: Float, count n: Int, start: Int, head: Int) {
    let sums = distances(start: start, count: n, head: head)
    sums.update(repeating: 0, count: 2 * n - 1)
    for i in 0..<n {
      let (row, sums) = (ds + i * n, sums + (n - 1 - i))
      eachVector(n) { j, lanes in
        let d = load(row, j, lanes)
        store(load(sums, j, lanes) + d, sums, j, lanes)
        store(d * scale, row, j, lanes)
      }
    }
  }
}
