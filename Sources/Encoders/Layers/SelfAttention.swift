import Kernels

/// How the tokens of a sequence look at each other, in all layers of a stack.
///
/// T rows, H = N · D hidden, N heads, D head width.
protocol SelfAttention: AnyObject {
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity)
  /// Called before the first layer of a forward pass.
  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats)
  /// context [T, H] from qkv [T, 3H]; probabilities are kept for backward.
  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats)
  /// dqkv [T, 3H] from dcontext [T, H].
  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients)
  /// Called after the last layer of a backward pass: gradients of what the layers share.
  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients)
}

/// Attention by content alone, as BERT has it.
final class PlainAttention: SelfAttention {
  private let configuration: ModelConfiguration
  private let threads: Int
  private var scratch = ArenaCursor.nowhere

  init(_ configuration: ModelConfiguration, threads: Int) {
    self.configuration = configuration
    self.threads = threads
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    scratch = cursor.take(Attention.scratchCount(longest: capacity.longest, threads: threads))
  }

  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats) {}

  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats
  ) {
    Attention.forward(
      context, probabilities, qkv, scratch, cumulativeLengths: rows.cumulativeLengths,
      sequenceRows: rows.sequenceRows, keyCounts: rows.keyCounts, heads: configuration.headCount,
      headWidth: configuration.headWidth, key, pass.pool)
  }

  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    Attention.backward(
      dqkv, dcontext, probabilities, qkv, scratch, cumulativeLengths: rows.cumulativeLengths,
      sequenceRows: rows.sequenceRows, heads: configuration.headCount,
      headWidth: configuration.headWidth, key, pass.pool)
  }

  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {}
}
