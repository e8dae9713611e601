import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Attention with a learned bias for how far apart two tokens are, one table for all layers: MPNet's.
///
/// T tokens, N heads, R the longest sequence.
final class BiasedAttention: SelfAttention {
  private let configuration: ModelConfiguration
  /// [buckets, N]
  private let table: Int
  private let threads: Int
  private var scratch = ArenaCursor.nowhere
  /// [N, 2R - 1]
  private var values = ArenaCursor.nowhere
  private var gradient: DistanceBiasGradient
  private var reach = 0
  /// [parts, N, 2R - 1] Sums over the layers that have gone backward.
  private var sums: [Float] = []

  init(_ configuration: ModelConfiguration, table: Int, threads: Int) {
    self.configuration = configuration
    self.table = table
    self.threads = threads
    gradient = DistanceBiasGradient(sums: ArenaCursor.nowhere, heads: configuration.headCount)
  }

  private var heads: Int { configuration.headCount }
  private var distances: Int { 2 * reach - 1 }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    scratch = cursor.take(Attention.scratchCount(longest: capacity.longest, threads: threads))
    values = cursor.take(2 * heads * capacity.longest)
    gradient = DistanceBiasGradient(
      sums: cursor.take(DistanceBiasGradient.count(tokens: capacity.tokens, heads: heads)),
      heads: heads)
  }

  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats) {
    let bounds = rows.cumulativeLengths
    reach = zip(bounds, bounds.dropFirst()).map { Int($1 - $0) }.max() ?? 0
    sums.removeAll(keepingCapacity: true)
    sums.append(contentsOf: repeatElement(0, count: rows.parts.count * heads * distances))
    for distance in 0..<distances {
      let row = p + (table + RelativeBias.bucket(distance - reach + 1) * heads)
      for head in 0..<heads { values[head * distances + distance] = row[head] }
    }
  }

  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats
  ) {
    Attention.forward(
      context, probabilities, qkv, scratch, cumulativeLengths: rows.cumulativeLengths,
      sequenceRows: rows.sequenceRows, keyCounts: rows.keyCounts, heads: heads,
      headWidth: configuration.headWidth,
      bias: DistanceBias(values: values, reach: reach), key, pass.pool)
  }

  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    Attention.backward(
      dqkv, dcontext, probabilities, qkv, scratch, cumulativeLengths: rows.cumulativeLengths,
      sequenceRows: rows.sequenceRows, heads: heads, headWidth: configuration.headWidth,
      dbias: gradient, key, pass.pool)
    // A part's sum has its sequences in their order, layer after layer: what a rank with this part
    // alone would have.
    for part in 0..<pass.sequenceParts.count {
      for s in pass.sequenceParts[part] {
        let start = Int(rows.cumulativeLengths[s])
        let length = Int(rows.cumulativeLengths[s + 1]) - start
        for head in 0..<heads {
          let own = gradient.distances(start: start, count: length, head: head)
          let first = (part * heads + head) * distances + reach - length
          for distance in 0..<2 * length - 1 { sums[first + distance] += own[distance] }
        }
      }
    }
  }

  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    let parts = pass.sequenceParts
    guard case .relativeBias(let buckets) = configuration.particulars else { return }
    let count = buckets * heads
    var levels = [Float](repeating: 0, count: parts.levels * count)
    var part = 0
    parts.sum { _, level in
      for index in level * count..<(level + 1) * count { levels[index] = 0 }
      for distance in 0..<distances {
        let bucket = RelativeBias.bucket(distance - reach + 1)
        for head in 0..<heads {
          levels[level * count + bucket * heads + head] +=
            sums[(part * heads + head) * distances + distance]
        }
      }
      part += 1
    } combine: { level in
      for index in 0..<count {
        levels[level * count + index] += levels[(level + 1) * count + index]
      }
    }
    (g + table).update(from: levels, count: count)
  }
}

/// Which distances have a bias in common: near ones each their own, far ones in ranges that grow.
enum RelativeBias {
  /// MPNet's number, whatever the table's rows.
  static let buckets = 32
  private static let maxDistance: Float = 128

  /// The row of the table for a key that is `distance` tokens behind the query.
  ///
  /// In float, as Hugging Face's `relative_position_bucket` computes it: a distance at a range's edge
  /// must fall on the same side.
  static func bucket(_ distance: Int) -> Int {
    let half = buckets / 2
    let exact = half / 2
    let side = distance > 0 ? half : 0
    let n = abs(distance)
    guard n >= exact else { return side + n }
    let share = log(Float(n) / Float(exact)) / log(maxDistance / Float(exact))
    return side + min(half - 1, exact + Int(share * Float(half - exact)))
  }
}
