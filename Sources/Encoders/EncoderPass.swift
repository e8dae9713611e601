import Kernels

/// One batch's way through the encoder layers: sizes, buffers and dropout keys in one place, so that
/// forward and backward cannot differ in them.
///
/// T tokens, S sequences, H hidden, I intermediate, N heads, D head width.
struct EncoderPass {
  let tokens: Int
  let sequences: Int
  /// The micro-batches, by tokens and by sequences.
  let tokenParts: Parts
  let sequenceParts: Parts
  let hidden: Int
  let buffers: ActivationBuffers
  /// The tokens by position and by type, sorted in backward.
  let positionTokens: RowTokens
  let typeTokens: RowTokens
  let configuration: ModelConfiguration
  let pool: ThreadPool
  private let dropout: DropoutStep?

  init(
    _ batch: PackedBatch, _ activations: Activations, _ configuration: ModelConfiguration,
    _ dropout: DropoutStep?, _ pool: ThreadPool
  ) {
    tokens = batch.tokenCount
    sequences = batch.sequenceCount
    tokenParts = batch.tokenParts
    sequenceParts = batch.sequenceParts
    hidden = configuration.hiddenSize
    buffers = activations.buffers
    positionTokens = activations.positionTokens
    typeTokens = activations.typeTokens
    self.configuration = configuration
    self.dropout = dropout
    self.pool = pool
  }

  // Dropout sites: 0 embeddings; 3i+1 attention probabilities, 3i+2 attention output and 3i+3
  // feed-forward output of layer i; after the last layer's, the head.
  private func key(_ site: Int, _ probability: Float) -> DropoutKey {
    DropoutKey(
      seed: dropout?.seed ?? 0, step: dropout?.step ?? 0, site: UInt32(site),
      probability: dropout == nil ? 0 : probability)
  }
  var embeddingDropout: DropoutKey { key(0, configuration.hiddenDropout) }
  var headDropout: DropoutKey {
    key(3 * configuration.layerCount + 1, configuration.classifierDropout)
  }

  /// One encoder layer (post-norm): `kept.output` [T, H] from `input` [T, H].
  func forward(
    _ layer: BertParameters.Layer, _ index: Int, _ kept: ActivationBuffers.Layer, _ input: Floats,
    _ at: BatchCoordinates, _ p: Floats
  ) {
    let intermediate = configuration.intermediateSize
    let projected = buffers.scratchA
    Linear.forward(
      kept.attentionInput, input, p + layer.attentionWeight, p + layer.attentionBias,
      rows: tokens, inputs: hidden, outputs: 3 * hidden, pool)
    Attention.forward(
      kept.context, kept.probabilities, kept.attentionInput,
      buffers.attentionScratch, cumulativeLengths: at.cumulativeLengths,
      sequenceRows: at.sequenceRows, heads: configuration.headCount,
      headWidth: configuration.headWidth, key(3 * index + 1, configuration.attentionDropout), pool)
    Linear.forward(
      projected, kept.context, p + layer.attentionOutputWeight, nil, rows: tokens,
      inputs: hidden, outputs: hidden, pool)
    ResidualNorm.forward(
      kept.attentionOutput, kept.attentionNormalized, kept.attentionInverseDeviation,
      projected, p + layer.attentionOutputBias, input, p + layer.attentionNormWeight,
      p + layer.attentionNormBias, epsilon: configuration.layerNormEpsilon,
      key(3 * index + 2, configuration.hiddenDropout), at.tokens, rows: tokens, width: hidden,
      pool)
    Linear.forward(
      kept.activationDerivative, kept.attentionOutput, p + layer.intermediateWeight, nil,
      rows: tokens, inputs: hidden, outputs: intermediate, pool)
    GELU.forward(
      kept.activated, kept.activationDerivative, kept.activationDerivative,
      p + layer.intermediateBias, rows: tokens, width: intermediate, pool)
    Linear.forward(
      projected, kept.activated, p + layer.outputWeight, nil, rows: tokens,
      inputs: intermediate, outputs: hidden, pool)
    ResidualNorm.forward(
      kept.output, kept.outputNormalized, kept.outputInverseDeviation, projected,
      p + layer.outputBias, kept.attentionOutput, p + layer.outputNormWeight,
      p + layer.outputNormBias, epsilon: configuration.layerNormEpsilon,
      key(3 * index + 3, configuration.hiddenDropout), at.tokens, rows: tokens, width: hidden,
      pool)
  }

  /// Turns scratch A from the gradient of the layer's output [T, H] into that of its input, and
  /// overwrites the layer's parameter gradients. Blocks stand in the reverse of `forward`'s order.
  func backward(
    _ layer: BertParameters.Layer, _ index: Int, _ kept: ActivationBuffers.Layer, _ input: Floats,
    _ at: BatchCoordinates, _ p: Floats, _ g: DenseGradients
  ) {
    let intermediate = configuration.intermediateSize
    let (a, b, c) = (buffers.scratchA, buffers.scratchB, buffers.scratchC)
    let wide = buffers.wideScratch
    // The feed-forward half: c is the gradient that flows past it, then all of attentionOutput's.
    ResidualNorm.backward(
      b, c, g + layer.outputBias, g + layer.outputNormWeight, g + layer.outputNormBias, a,
      kept.outputNormalized, kept.outputInverseDeviation, p + layer.outputNormWeight,
      key(3 * index + 3, configuration.hiddenDropout), at.tokens, rows: tokenParts, width: hidden,
      pool)
    Linear.backward(
      wide, g + layer.outputWeight, nil, b, kept.activated, p + layer.outputWeight,
      rows: tokenParts, inputs: intermediate, outputs: hidden, pool)
    GELU.backward(
      wide, g + layer.intermediateBias, wide, kept.activationDerivative, rows: tokenParts,
      width: intermediate, pool)
    Linear.backward(
      c, g + layer.intermediateWeight, nil, wide, kept.attentionOutput,
      p + layer.intermediateWeight, rows: tokenParts, inputs: hidden, outputs: intermediate,
      accumulateInput: true, pool)
    // The attention half: a is the gradient that flows past it, then all of the input's.
    ResidualNorm.backward(
      b, a, g + layer.attentionOutputBias, g + layer.attentionNormWeight,
      g + layer.attentionNormBias, c, kept.attentionNormalized,
      kept.attentionInverseDeviation, p + layer.attentionNormWeight,
      key(3 * index + 2, configuration.hiddenDropout), at.tokens, rows: tokenParts, width: hidden,
      pool)
    Linear.backward(
      c, g + layer.attentionOutputWeight, nil, b, kept.context,
      p + layer.attentionOutputWeight, rows: tokenParts, inputs: hidden, outputs: hidden, pool)
    Attention.backward(
      wide, c, kept.probabilities, kept.attentionInput, buffers.attentionScratch,
      cumulativeLengths: at.cumulativeLengths, sequenceRows: at.sequenceRows,
      heads: configuration.headCount, headWidth: configuration.headWidth,
      key(3 * index + 1, configuration.attentionDropout), pool)
    Linear.backward(
      a, g + layer.attentionWeight, g + layer.attentionBias, wide, input,
      p + layer.attentionWeight, rows: tokenParts, inputs: hidden, outputs: 3 * hidden,
      accumulateInput: true, pool)
  }
}
