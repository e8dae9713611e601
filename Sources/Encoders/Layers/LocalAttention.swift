import Kernels

/// Attention within chunks: a row is cut from its first token on into pieces of `stride` tokens, the last
/// one shorter, and a token looks at the real tokens of its own piece. As Hugging Face builds CANINE, no
/// piece sees the first position of another one, and the first position sees its own piece only.
///
/// A piece without a real token looks at all of its padding alike (see `Attention.forward`).
///
/// T rows, N heads, D head width.
final class LocalAttention: SelfAttention {
  private let configuration: ModelConfiguration
  private let stride: Int
  private let threads: Int
  private var scratch = ArenaCursor.nowhere
  // Of the pieces of the batch that went forward last: bounds, rows in the data set, real tokens, and
  // where their dropout begins, by place in the row.
  private var cumulativeLengths: [Int32] = []
  private var datasetRows: [UInt32] = []
  private var keyCounts: [Int32] = []
  private var firstCounters: [UInt32] = []

  init(_ configuration: ModelConfiguration, stride: Int, threads: Int) {
    self.configuration = configuration
    self.stride = stride
    self.threads = threads
  }

  /// What buffers for a batch of that capacity must hold, by pieces instead of rows.
  static func capacity(_ whole: Capacity, stride: Int) -> Capacity {
    var pieces = whole
    pieces.longest = min(whole.longest, stride)
    pieces.squares = min(whole.squares, whole.tokens * pieces.longest)
    return pieces
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    scratch = cursor.take(
      Attention.scratchCount(longest: min(capacity.longest, stride), threads: threads))
  }

  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats) {
    cumulativeLengths.removeAll(keepingCapacity: true)
    datasetRows.removeAll(keepingCapacity: true)
    keyCounts.removeAll(keepingCapacity: true)
    firstCounters.removeAll(keepingCapacity: true)
    cumulativeLengths.append(0)
    let counters = configuration.headCount * stride * ((stride + 3) / 4)
    for s in 0..<pass.sequences {
      let start = Int(rows.cumulativeLengths[s])
      let length = Int(rows.cumulativeLengths[s + 1]) - start
      let keys = rows.keyCounts.map { Int($0[s]) } ?? length
      for (piece, first) in Swift.stride(from: 0, to: length, by: stride).enumerated() {
        let count = min(stride, length - first)
        cumulativeLengths.append(Int32(start + first + count))
        datasetRows.append(rows.sequenceRows[s])
        keyCounts.append(Int32(min(count, max(0, keys - first))))
        firstCounters.append(UInt32(piece * counters))
      }
    }
  }

  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats
  ) {
    cumulativeLengths.withUnsafeBufferPointer { bounds in
      Attention.forward(
        context, probabilities, qkv, scratch, cumulativeLengths: bounds,
        sequenceRows: datasetRows, keyCounts: keyCounts, firstCounters: firstCounters,
        heads: configuration.headCount, headWidth: configuration.headWidth, key, pass.pool)
    }
  }

  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    cumulativeLengths.withUnsafeBufferPointer { bounds in
      Attention.backward(
        dqkv, dcontext, probabilities, qkv, scratch, cumulativeLengths: bounds,
        sequenceRows: datasetRows, firstCounters: firstCounters, heads: configuration.headCount,
        headWidth: configuration.headWidth, key, pass.pool)
    }
  }

  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {}
}
