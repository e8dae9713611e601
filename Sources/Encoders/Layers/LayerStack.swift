import Kernels

/// Encoder layers one after the other, post-norm as BERT has them: attention, then a feed-forward
/// network, each followed by LayerNorm(dropout(x) + residual).
///
/// T rows, S sequences, H hidden, I intermediate, N heads, D head width.
final class LayerStack {
  private let layers: [LayerParameters]
  private let attention: any SelfAttention
  private let configuration: ModelConfiguration
  /// Of the first layer's first dropout; a layer has three.
  private let firstSite: Int
  private let isTraining: Bool
  private var buffers: [LayerBuffers] = []

  /// - Parameter attention: What the layers have in place of plain attention.
  init(
    _ layers: [LayerParameters], _ attention: any SelfAttention,
    _ configuration: ModelConfiguration,
    firstSite: Int = 1, isTraining: Bool
  ) {
    self.layers = layers
    self.attention = attention
    self.configuration = configuration
    self.firstSite = firstSite
    self.isTraining = isTraining
  }

  /// Takes every buffer. For inference the layers share one set of buffers, but for their outputs, of
  /// which there are two in turn.
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    attention.take(&cursor, capacity)
    buffers.removeAll(keepingCapacity: true)
    for index in layers.indices {
      guard !isTraining, index > 0 else {
        buffers.append(LayerBuffers(&cursor, capacity, configuration))
        continue
      }
      var layer = buffers[index - 1]
      // A layer reads its input while it writes its output.
      layer.output =
        index == 1
        ? cursor.take(capacity.tokens * configuration.hiddenSize) : buffers[index - 2].output
      buffers.append(layer)
    }
  }

  /// Computes the layers from `input` [T, H], which must stay as it is until the backward pass.
  ///
  /// - Parameter progress: Called after every layer.
  /// - Returns: [T, H] The last layer's output.
  func forward(
    _ input: Floats, _ rows: TokenRows, _ scratch: Scratch, _ pass: Pass, _ p: Floats,
    progress: () -> Void
  ) -> Floats {
    attention.begin(rows, pass, p)
    var input = input
    for index in layers.indices {
      forward(index, input, rows, scratch, pass, p)
      input = Floats(buffers[index].output)
      progress()
    }
    return input
  }

  /// Turns scratch A from the gradient of the last layer's output [T, H] into that of `input`, and
  /// overwrites the gradients of all layers.
  ///
  /// - Parameters:
  ///   - lowest: The first layer to go through: those below it are frozen.
  ///   - progress: Called after every layer, with the offset of its first tensor.
  func backward(
    downTo lowest: Int, _ input: Floats, _ rows: TokenRows, _ scratch: Scratch, _ pass: Pass,
    _ p: Floats,
    _ g: DenseGradients, progress: (_ completeFrom: Int) -> Void
  ) {
    for index in layers.indices.reversed() where index >= lowest {
      let input = index == 0 ? input : Floats(buffers[index - 1].output)
      backward(index, input, rows, scratch, pass, p, g)
      progress(layers[index].first)
    }
  }

  /// Overwrites the gradients of what the layers share, after `backward`.
  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    attention.finish(rows, pass, p, g)
  }

  private func forward(
    _ index: Int, _ input: Floats, _ rows: TokenRows, _ scratch: Scratch, _ pass: Pass, _ p: Floats
  ) {
    let (layer, kept, pool) = (layers[index], buffers[index], pass.pool)
    let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
    let epsilon = configuration.layerNormEpsilon
    let projected = scratch.a
    attention.project(kept.attentionInput, input, layer: index, layer, rows, pass, p)
    attention.forward(
      kept.context, kept.probabilities, kept.attentionInput, layer: index,
      attentionKey(index, pass), rows, pass, p)
    Linear.forward(
      projected, kept.context, p + layer.attentionOutput.weight, nil, rows: rows.count,
      inputs: hidden, outputs: hidden, pool)
    ResidualNorm.forward(
      kept.attentionOutput, kept.attentionNormalized, kept.attentionInverseDeviation,
      projected, p + layer.attentionOutput.bias, input, p + layer.attentionNorm.weight,
      p + layer.attentionNorm.bias, epsilon: epsilon, attentionOutputKey(index, pass), rows.at,
      rows: rows.count, width: hidden, pool)
    Linear.forward(
      kept.activationDerivative, kept.attentionOutput, p + layer.intermediate.weight, nil,
      rows: rows.count, inputs: hidden, outputs: intermediate, pool)
    GELU.forward(
      kept.activated, kept.activationDerivative, kept.activationDerivative,
      p + layer.intermediate.bias, rows: rows.count, width: intermediate, pool)
    Linear.forward(
      projected, kept.activated, p + layer.output.weight, nil, rows: rows.count,
      inputs: intermediate, outputs: hidden, pool)
    ResidualNorm.forward(
      kept.output, kept.outputNormalized, kept.outputInverseDeviation, projected,
      p + layer.output.bias, kept.attentionOutput, p + layer.outputNorm.weight,
      p + layer.outputNorm.bias, epsilon: epsilon, outputKey(index, pass), rows.at,
      rows: rows.count, width: hidden, pool)
  }

  /// Turns scratch A from the gradient of the layer's output into that of its input. Blocks stand in
  /// the reverse of `forward`'s order.
  private func backward(
    _ index: Int, _ input: Floats, _ rows: TokenRows, _ scratch: Scratch, _ pass: Pass, _ p: Floats,
    _ g: DenseGradients
  ) {
    let (layer, kept, pool) = (layers[index], buffers[index], pass.pool)
    let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
    let (a, b, c, wide) = (scratch.a, scratch.b, scratch.c, scratch.wide)
    // The feed-forward half: c is the gradient that flows past it, then all of attentionOutput's.
    ResidualNorm.backward(
      b, c, g + layer.output.bias, g + layer.outputNorm.weight, g + layer.outputNorm.bias, a,
      kept.outputNormalized, kept.outputInverseDeviation, p + layer.outputNorm.weight,
      outputKey(index, pass), rows.at, rows: rows.parts, width: hidden, pool)
    Linear.backward(
      wide, g + layer.output.weight, nil, b, kept.activated, p + layer.output.weight,
      rows: rows.parts, inputs: intermediate, outputs: hidden, pool)
    GELU.backward(
      wide, g + layer.intermediate.bias, wide, kept.activationDerivative, rows: rows.parts,
      width: intermediate, pool)
    Linear.backward(
      c, g + layer.intermediate.weight, nil, wide, kept.attentionOutput,
      p + layer.intermediate.weight, rows: rows.parts, inputs: hidden, outputs: intermediate,
      accumulateInput: true, pool)
    // The attention half: a is the gradient that flows past it, then all of the input's.
    ResidualNorm.backward(
      b, a, g + layer.attentionOutput.bias, g + layer.attentionNorm.weight,
      g + layer.attentionNorm.bias, c, kept.attentionNormalized,
      kept.attentionInverseDeviation, p + layer.attentionNorm.weight,
      attentionOutputKey(index, pass), rows.at, rows: rows.parts, width: hidden, pool)
    Linear.backward(
      c, g + layer.attentionOutput.weight, nil, b, kept.context,
      p + layer.attentionOutput.weight, rows: rows.parts, inputs: hidden, outputs: hidden, pool)
    attention.backward(
      wide, c, kept.probabilities, kept.attentionInput, layer: index, attentionKey(index, pass),
      rows, pass, p, g)
    attention.projectBackward(a, Floats(wide), input, layer: index, layer, rows, pass, p, g)
  }

  // The layers' dropout sites, in the order of a layer's forward pass.

  private func attentionKey(_ layer: Int, _ pass: Pass) -> DropoutKey {
    pass.key(firstSite + 3 * layer, configuration.attentionDropout)
  }
  private func attentionOutputKey(_ layer: Int, _ pass: Pass) -> DropoutKey {
    pass.key(firstSite + 3 * layer + 1, configuration.hiddenDropout)
  }
  private func outputKey(_ layer: Int, _ pass: Pass) -> DropoutKey {
    pass.key(firstSite + 3 * layer + 2, configuration.hiddenDropout)
  }
}

/// Where the activations of one layer lie.
private struct LayerBuffers {
  /// [T, 3H]
  let attentionInput: MutableFloats
  /// N·Σn² attention probabilities before dropout
  let probabilities: MutableFloats
  /// [T, H]
  let context: MutableFloats
  /// [T, H] and [T]: what the LayerNorm after attention keeps
  let attentionNormalized: MutableFloats
  let attentionInverseDeviation: MutableFloats
  /// [T, H]
  let attentionOutput: MutableFloats
  /// [T, I]
  let activated: MutableFloats
  let activationDerivative: MutableFloats
  /// [T, H] and [T]: what the LayerNorm after the feed-forward network keeps
  let outputNormalized: MutableFloats
  let outputInverseDeviation: MutableFloats
  /// [T, H]
  var output: MutableFloats

  init(
    _ cursor: inout ArenaCursor, _ capacity: Capacity, _ configuration: ModelConfiguration
  ) {
    let hidden = capacity.tokens * configuration.hiddenSize
    let intermediate = capacity.tokens * configuration.intermediateSize
    attentionInput = cursor.take(3 * hidden)
    probabilities = cursor.take(configuration.headCount * capacity.squares)
    context = cursor.take(hidden)
    attentionNormalized = cursor.take(hidden)
    attentionInverseDeviation = cursor.take(capacity.tokens)
    attentionOutput = cursor.take(hidden)
    activated = cursor.take(intermediate)
    activationDerivative = cursor.take(intermediate)
    outputNormalized = cursor.take(hidden)
    outputInverseDeviation = cursor.take(capacity.tokens)
    output = cursor.take(hidden)
  }
}

/// What the layers of a pass share, and embeddings and heads with them.
struct Scratch {
  /// [T, H] each; gradients pass from layer to layer in `a`.
  let a: MutableFloats
  let b: MutableFloats
  let c: MutableFloats
  /// [T, max(3H, I)]
  let wide: MutableFloats

  init(_ cursor: inout ArenaCursor, _ capacity: Capacity, _ configuration: ModelConfiguration) {
    let hidden = capacity.tokens * configuration.hiddenSize
    a = cursor.take(hidden)
    b = cursor.take(hidden)
    c = cursor.take(hidden)
    wide = cursor.take(max(3 * hidden, capacity.tokens * configuration.intermediateSize))
  }
}
