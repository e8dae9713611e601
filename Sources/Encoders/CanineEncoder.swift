import Kernels

/// CANINE's encoder: a shallow layer on characters, the layers on molecules, and, where the task is one of
/// tokens, a shallow layer that leads back to characters.
///
/// T characters, M molecules, S sequences, H hidden.
struct CanineEncoder: TextEncoder {
  static let pooler = "canine.pooler.dense"

  let configuration: ModelConfiguration
  let canine: CanineSettings
  let embeddings: HashEmbeddingParameters
  let initial: LayerParameters
  let downsampling: ConvolutionParameters
  let layers: [LayerParameters]
  /// Nothing that a head on a row's first state reads depends on the way back: its tensors then stay as
  /// they were read.
  let projection: ConvolutionParameters
  let final: LayerParameters
  private let isOfTokens: Bool

  /// - Precondition: The configuration is CANINE's.
  init(_ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    guard case .characters(let canine) = model.particulars else {
      preconditionFailure("\(model.architecture.modelType) has no characters")
    }
    configuration = model
    self.canine = canine
    isOfTokens = !model.task.isOfSequences
    let prefix = model.architecture.prefix
    func layer(_ stack: String, _ index: Int, _ layout: inout ParameterLayout) -> LayerParameters {
      LayerParameters(
        prefix: prefix + stack + ".layer.\(index).", .bert, model, &layout)
    }
    embeddings = HashEmbeddingParameters(
      prefix: prefix + "char_embeddings.", model, canine, &layout)
    // What makes molecules counts as their embeddings: it is frozen with them.
    initial = layer("initial_char_encoder", 0, &layout)
    downsampling = ConvolutionParameters(
      prefix: prefix + "chars_to_molecules.", model, inputs: model.hiddenSize,
      kernel: canine.downsamplingRate, &layout)
    layers = (0..<model.layerCount).map {
      layout.place = .layer($0)
      return layer("encoder", $0, &layout)
    }
    layout.place = .layer(isOfTokens ? model.layerCount : model.layerCount - 1)
    layout.isUsed = isOfTokens
    projection = ConvolutionParameters(
      prefix: prefix + "projection.", model, inputs: 2 * model.hiddenSize,
      kernel: canine.upsamplingKernel, &layout)
    final = layer("final_char_encoder", 0, &layout)
    if isOfTokens {
      // Hugging Face's models of tokens have a pooler too, which nothing reads.
      layout.place = .head
      layout.isUsed = false
      _ = LinearParameters(
        Self.pooler, inputs: model.hiddenSize, outputs: model.hiddenSize, &layout)
    }
    layout.isUsed = true
  }

  func makeState(isTraining: Bool, threads: Int) -> any EncoderState {
    // Dropout sites after those of the layers and of the head.
    let firstSite = 3 * configuration.layerCount + 3
    func plain() -> any SelfAttention { PlainAttention(configuration, threads: threads) }
    let local = LocalAttention(configuration, stride: canine.localStride, threads: threads)
    return CanineState(
      configuration, canine, isTraining: isTraining,
      embeddings: HashEmbeddings(embeddings, configuration, canine),
      initial: LayerStack(
        [initial], local, configuration, firstSite: firstSite, isTraining: isTraining),
      downsampling: Downsampling(downsampling, configuration, rate: canine.downsamplingRate),
      layers: LayerStack(layers, plain(), configuration, isTraining: isTraining),
      wayBack: isOfTokens
        ? WayBack(
          projection: CharacterProjection(
            projection, configuration, canine, site: firstSite + 6),
          final: LayerStack(
            [final], plain(), configuration, firstSite: firstSite + 3, isTraining: isTraining))
        : nil)
  }
}

/// From molecules to characters.
private struct WayBack {
  let projection: CharacterProjection
  let final: LayerStack
}

/// CANINE's encoder at work.
private final class CanineState: EncoderState {
  private let configuration: ModelConfiguration
  private let canine: CanineSettings
  private let isTraining: Bool
  private let embeddings: HashEmbeddings
  private let initial: LayerStack
  private let downsampling: Downsampling
  private let layers: LayerStack
  private let wayBack: WayBack?
  private let molecules: MoleculeRows
  private var scratch: Scratch
  /// [T, H] Of the shallow layer.
  private var characterStates = Floats(ArenaCursor.nowhere)
  /// [M, H] Of the last layer on molecules.
  private var moleculeStates = Floats(ArenaCursor.nowhere)
  private var finalStates: Floats?

  init(
    _ configuration: ModelConfiguration, _ canine: CanineSettings, isTraining: Bool,
    embeddings: HashEmbeddings, initial: LayerStack, downsampling: Downsampling,
    layers: LayerStack, wayBack: WayBack?
  ) {
    self.configuration = configuration
    self.canine = canine
    self.isTraining = isTraining
    self.embeddings = embeddings
    self.initial = initial
    self.downsampling = downsampling
    self.layers = layers
    self.wayBack = wayBack
    molecules = MoleculeRows(rate: canine.downsamplingRate)
    var cursor = ArenaCursor(base: nil)
    scratch = Scratch(&cursor, Capacity(), configuration)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    let moleculeCapacity = molecules.capacity(capacity)
    molecules.reserve(capacity)
    embeddings.take(&cursor, capacity)
    scratch = Scratch(&cursor, capacity, configuration)
    initial.take(&cursor, LocalAttention.capacity(capacity, stride: canine.localStride))
    downsampling.take(&cursor, moleculeCapacity, isTraining: isTraining)
    layers.take(&cursor, moleculeCapacity)
    wayBack?.projection.take(&cursor, capacity, isTraining: isTraining)
    wayBack?.final.take(&cursor, capacity)
  }

  func forward(_ pass: Pass, _ p: Floats, progress: () -> Void) {
    let rows = molecules.begin(pass)
    let input = embeddings.forward(scratch, pass, p)
    characterStates = initial.forward(
      input, pass.tokens, scratch, pass, p, progress: progress)
    moleculeStates = layers.forward(
      downsampling.forward(characterStates, rows, pass, p), rows, scratch, pass, p,
      progress: progress)
    finalStates = wayBack.map { wayBack in
      wayBack.final.forward(
        wayBack.projection.forward(characterStates, moleculeStates, pass, p), pass.tokens,
        scratch, pass, p, progress: progress)
    }
  }

  var hiddenStates: Floats {
    guard let finalStates else {
      preconditionFailure("a row's head reads molecules; characters have no last states")
    }
    return finalStates
  }

  func sequenceStates(_ pass: Pass) -> SequenceStates {
    guard let rows = molecules.tokenRows, let firstRows = rows.cumulativeLengths.baseAddress else {
      preconditionFailure("no batch went forward")
    }
    return SequenceStates(
      states: moleculeStates, rows: rows.count, cumulativeLengths: rows.cumulativeLengths,
      firstRows: firstRows)
  }

  var outputGradient: MutableFloats { scratch.a }

  func backward(
    _ pass: Pass, _ p: Floats, _ g: DenseGradients, progress: (_ completeFrom: Int) -> Void
  ) -> Floats {
    guard let rows = molecules.tokenRows else { preconditionFailure("no batch went forward") }
    if let wayBack {
      wayBack.final.backward(
        downTo: 0, Floats(wayBack.projection.output), pass.tokens, scratch, pass, p, g,
        progress: progress)
      wayBack.projection.backward(scratch, pass, p, g)
    }
    layers.backward(
      downTo: configuration.frozenLayers ?? 0, Floats(downsampling.output), rows, scratch, pass,
      p, g, progress: progress)
    guard configuration.frozenLayers == nil else { return Floats(scratch.a) }
    downsampling.backward(characterStates, rows, scratch, pass, p, g)
    if let wayBack {
      Reduction.add(
        scratch.a, Floats(wayBack.projection.characterGradient),
        count: pass.tokens.count * configuration.hiddenSize, pass.pool)
    }
    initial.backward(
      downTo: 0, Floats(embeddings.output), pass.tokens, scratch, pass, p, g, progress: progress)
    embeddings.backward(scratch, pass, p, g)
    return Floats(scratch.a)
  }
}
