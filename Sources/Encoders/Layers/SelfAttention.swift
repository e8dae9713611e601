import Kernels

/// How the tokens of a sequence look at each other, in all layers of a stack.
///
/// T rows, H = N · D hidden, N heads, D head width.
protocol SelfAttention: AnyObject {
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity)
  /// Called before the first layer of a forward pass.
  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats)
  /// qkv [T, 3H] of a layer's input [T, H].
  func project(
    _ qkv: MutableFloats, _ input: Floats, layer: Int, _ weights: LayerParameters,
    _ rows: TokenRows,
    _ pass: Pass, _ p: Floats)
  /// context [T, H] from qkv [T, 3H]; probabilities are kept for backward.
  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats)
  /// dqkv [T, 3H] from dcontext [T, H], for `projectBackward`.
  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients)
  /// dinput [T, H] += the gradient of `project`; overwrites those of its weights.
  func projectBackward(
    _ dinput: MutableFloats, _ dqkv: Floats, _ input: Floats, layer: Int,
    _ weights: LayerParameters,
    _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients)
  /// Called after the last layer of a backward pass: gradients of what the layers share.
  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients)
}

extension SelfAttention {
  func project(
    _ qkv: MutableFloats, _ input: Floats, layer: Int, _ weights: LayerParameters,
    _ rows: TokenRows,
    _ pass: Pass, _ p: Floats
  ) {
    let hidden = pass.configuration.hiddenSize
    Linear.forward(
      qkv, input, p + weights.attentionWeight, weights.attentionBias.map { p + $0 },
      rows: rows.count, inputs: hidden, outputs: 3 * hidden, pass.pool)
  }

  func projectBackward(
    _ dinput: MutableFloats, _ dqkv: Floats, _ input: Floats, layer: Int,
    _ weights: LayerParameters,
    _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    let hidden = pass.configuration.hiddenSize
    Linear.backward(
      dinput, g + weights.attentionWeight, weights.attentionBias.map { g + $0 }, dqkv, input,
      p + weights.attentionWeight, rows: rows.parts, inputs: hidden, outputs: 3 * hidden,
      accumulateInput: true, pass.pool)
  }
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
