import Kernels

/// Where each activation of a batch lies in the arena.
///
/// T tokens, S sequences, H hidden, I intermediate, N heads, L labels.
struct ActivationBuffers {
  struct Layer {
    /// [T, 3H]
    var attentionInput: MutableFloats
    /// N·Σn² attention probabilities before dropout
    var probabilities: MutableFloats
    /// [T, H]
    var context: MutableFloats
    /// [T, H] and [T]: what the LayerNorm after attention keeps
    var attentionNormalized: MutableFloats
    var attentionInverseDeviation: MutableFloats
    /// [T, H]
    var attentionOutput: MutableFloats
    /// [T, I]
    var activated: MutableFloats
    var activationDerivative: MutableFloats
    /// [T, H] and [T]: what the LayerNorm after the feed-forward network keeps
    var outputNormalized: MutableFloats
    var outputInverseDeviation: MutableFloats
    /// [T, H]
    var output: MutableFloats
  }

  /// [T, H] and [T]: what the embeddings' LayerNorm keeps
  let embeddingNormalized: MutableFloats
  let embeddingInverseDeviation: MutableFloats
  /// [T, H]: the first layer's input
  let embedded: MutableFloats
  /// [S, H]
  let firstTokens: MutableFloats
  let pooled: MutableFloats
  let droppedPooled: MutableFloats
  let pooledGradient: MutableFloats
  /// [S, L]
  let logits: MutableFloats
  let logitsGradient: MutableFloats
  /// [T, H] scratch, three times
  let scratchA: MutableFloats
  let scratchB: MutableFloats
  let scratchC: MutableFloats
  /// [T, max(3H, I)] scratch
  let wideScratch: MutableFloats
  let attentionScratch: MutableFloats
  private(set) var layers: [Layer] = []

  /// Takes every buffer from `cursor`. For inference the layers share one set of buffers, but for
  /// their outputs, of which there are two in turn.
  init(
    _ cursor: inout ArenaCursor, _ capacity: Capacity, _ configuration: ModelConfiguration,
    isTraining: Bool, threads: Int
  ) {
    let hidden = capacity.tokens * configuration.hiddenSize
    let pooled = capacity.sequences * configuration.hiddenSize
    let labels = capacity.sequences * configuration.labelNames.count
    embeddingNormalized = cursor.take(hidden)
    embeddingInverseDeviation = cursor.take(capacity.tokens)
    embedded = cursor.take(hidden)
    firstTokens = cursor.take(pooled)
    self.pooled = cursor.take(pooled)
    droppedPooled = cursor.take(pooled)
    pooledGradient = cursor.take(pooled)
    logits = cursor.take(labels)
    logitsGradient = cursor.take(labels)
    scratchA = cursor.take(hidden)
    scratchB = cursor.take(hidden)
    scratchC = cursor.take(hidden)
    wideScratch = cursor.take(max(3 * hidden, capacity.tokens * configuration.intermediateSize))
    attentionScratch = cursor.take(
      Attention.scratchCount(longest: capacity.longest, threads: threads))
    for index in 0..<configuration.layerCount {
      guard !isTraining, index > 0 else {
        layers.append(Layer(&cursor, capacity, configuration))
        continue
      }
      var layer = layers[index - 1]
      // A layer reads its input while it writes its output.
      layer.output = index == 1 ? cursor.take(hidden) : layers[index - 2].output
      layers.append(layer)
    }
  }
}

extension ActivationBuffers.Layer {
  fileprivate init(
    _ cursor: inout ArenaCursor, _ capacity: Capacity, _ configuration: ModelConfiguration
  ) {
    let hidden = capacity.tokens * configuration.hiddenSize
    let intermediate = capacity.tokens * configuration.intermediateSize
    attentionInput = cursor.take(3 * hidden)
    probabilities = cursor.take(capacity.probabilities)
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

/// Hands out 64-byte aligned pieces of an arena, or only counts what they would take.
struct ArenaCursor {
  /// nil while counting: the pieces are then never read or written.
  let base: MutableFloats?
  private(set) var used = 0

  init(base: MutableFloats?) { self.base = base }

  mutating func take(_ count: Int) -> MutableFloats {
    let start = used
    used += (count + 15) / 16 * 16
    return base.map { $0 + start } ?? Self.nowhere
  }

  private static var nowhere: MutableFloats { MutableFloats(bitPattern: 64).unsafelyUnwrapped }
}
