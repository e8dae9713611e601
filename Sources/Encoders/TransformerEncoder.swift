import Kernels

/// Word embeddings and a stack of layers: BERT, and every family that differs from it in names,
/// positions or attention only.
struct TransformerEncoder: TextEncoder {
  let configuration: ModelConfiguration
  let embeddings: EmbeddingParameters
  /// [buckets, N]; nil for plain attention.
  let bias: Int?
  let layers: [LayerParameters]

  /// - Parameter bias: The name of the table of biases by distance.
  init(
    _ model: ModelConfiguration, _ layout: inout ParameterLayout, _ names: TransformerNames,
    bias: String? = nil
  ) {
    configuration = model
    let prefix = model.architecture.prefix
    embeddings = EmbeddingParameters(prefix: prefix + "embeddings.", model, &layout)
    // Complete only after the first layer's backward pass, so before the layers in the layout.
    if case .relativeBias(let buckets) = model.particulars, let bias {
      self.bias = layout.append(prefix + bias, [buckets, model.headCount])
    } else {
      self.bias = nil
    }
    layers = (0..<model.layerCount).map {
      layout.place = .layer($0)
      return LayerParameters(prefix: prefix + names.layer($0), names, model, &layout)
    }
  }

  func makeState(isTraining: Bool, threads: Int) -> any EncoderState {
    let attention: any SelfAttention =
      bias.map { BiasedAttention(configuration, table: $0, threads: threads) }
      ?? PlainAttention(configuration, threads: threads)
    return TransformerState(
      configuration, EmbeddingLayer(embeddings, configuration),
      LayerStack(layers, attention, configuration, isTraining: isTraining))
  }
}

/// Embeddings and layers at work.
final class TransformerState: EncoderState {
  private let configuration: ModelConfiguration
  private let embeddings: EmbeddingLayer
  private let stack: LayerStack
  private var scratch: Scratch
  private(set) var hiddenStates = Floats(ArenaCursor.nowhere)

  init(_ configuration: ModelConfiguration, _ embeddings: EmbeddingLayer, _ stack: LayerStack) {
    self.configuration = configuration
    self.embeddings = embeddings
    self.stack = stack
    var cursor = ArenaCursor(base: nil)
    scratch = Scratch(&cursor, Capacity(), configuration)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    embeddings.take(&cursor, capacity)
    scratch = Scratch(&cursor, capacity, configuration)
    stack.take(&cursor, capacity)
  }

  func forward(_ pass: Pass, _ p: Floats, progress: () -> Void) {
    let input = embeddings.forward(scratch, pass, p)
    hiddenStates = stack.forward(input, pass.tokens, scratch, pass, p, progress: progress)
  }

  func sequenceStates(_ pass: Pass) -> SequenceStates {
    SequenceStates(
      states: hiddenStates, rows: pass.tokens.count,
      cumulativeLengths: pass.tokens.cumulativeLengths, firstRows: pass.at.firstTokens)
  }

  var outputGradient: MutableFloats { scratch.a }

  func backward(
    _ pass: Pass, _ p: Floats, _ g: DenseGradients, progress: (_ completeFrom: Int) -> Void
  ) -> Floats {
    stack.backward(
      downTo: configuration.frozenLayers ?? 0, Floats(embeddings.output), pass.tokens, scratch,
      pass, p, g, progress: progress)
    guard configuration.frozenLayers == nil else { return Floats(scratch.a) }
    stack.finish(pass.tokens, pass, p, g)
    return embeddings.backward(scratch, pass, p, g)
  }
}
