/// One tensor of the model and where it lies in the arenas.
package struct Parameter: Sendable, Equatable {
  /// What a parameter is part of, from the input on.
  package enum Place: Sendable, Equatable {
    case embeddings
    /// Of the layer with this index.
    case layer(Int)
    case head
  }

  /// Hugging Face's name, e.g. `bert.encoder.layer.0.output.dense.weight`.
  package let name: String
  /// Row-major dimensions.
  package let shape: [Int]
  /// First float in the parameter, gradient and moment arenas.
  package let offset: Int
  /// Whether AdamW's weight decay applies: not to biases and norm weights.
  package let decays: Bool
  package let place: Place
  /// Whether it is updated. What is frozen, or has no part in the task's loss, stays as it was read.
  package let isTrained: Bool

  package var count: Int { shape.reduce(1, *) }
  package var range: Range<Int> { offset..<offset + count }
}

/// The one order of parameters for arenas, gradient buckets and checkpoints.
///
/// Tensors follow each other without gaps: the query, key and value weights of a layer are one
/// [3H, H] matrix to the kernels, and their biases one [3H] vector. A word table whose gradient has rows
/// only for the words that occur stands first, and all others are one dense range.
package struct ParameterLayout: Sendable, Equatable {
  package private(set) var parameters: [Parameter] = []
  /// Floats in an arena.
  package private(set) var count = 0
  /// The word embeddings [V, H] where their gradient is sparse; [0, 0] for a model that also predicts
  /// words with them, and for one without.
  package private(set) var wordTable = Parameter(
    name: "no word table", shape: [0, 0], offset: 0, decays: false, place: .embeddings,
    isTrained: false)
  /// Of the tensors that are appended.
  var place = Parameter.Place.embeddings
  /// Whether the task's loss depends on the tensors that are appended; the others stay as they were read.
  var isUsed = true
  private let frozenLayers: Int?

  /// - Parameter frozenLayers: How many layers stay as they were read, from the first on, the embeddings
  ///   with them; nil for nothing frozen.
  init(frozenLayers: Int? = nil) { self.frozenLayers = frozenLayers }

  private var isFrozen: Bool {
    switch place {
    case .embeddings: frozenLayers != nil
    case .layer(let index): index < frozenLayers ?? 0
    case .head: false
    }
  }

  /// Appends a tensor and returns its offset.
  mutating func append(_ name: String, _ shape: [Int]) -> Int {
    let lowercased = name.lowercased()
    let exempt = ["bias", "layernorm", "layer_norm"].contains { lowercased.contains($0) }
    let parameter = Parameter(
      name: name, shape: shape, offset: count, decays: !exempt, place: place,
      isTrained: isUsed && !isFrozen)
    parameters.append(parameter)
    count += parameter.count
    return parameter.offset
  }

  /// Appends the word embeddings, as the first tensor.
  ///
  /// - Parameter isTied: Whether the head has them too, so that their gradient is dense.
  mutating func appendWordTable(_ name: String, _ shape: [Int], isTied: Bool) -> Int {
    precondition(parameters.isEmpty, "the word table stands first")
    let offset = append(name, shape)
    if !isTied { wordTable = parameters[0] }
    return offset
  }

  /// The floats of all parameters but the word table: those that have a gradient in every step.
  package var dense: Range<Int> { wordTable.range.upperBound..<count }

  /// What an optimizer step iterates over.
  package struct UpdateRun: Sendable, Equatable {
    package var range: Range<Int>
    package let decays: Bool
    /// What the learning rate is multiplied by.
    package let learningRateScale: Double
  }

  /// The longest runs of neighbouring parameters that are updated alike; what is not trained is in none.
  ///
  /// - Parameter layerDecay: What the learning rate is multiplied by for each layer between a parameter
  ///   and the head.
  package func updateRuns(layerDecay: Double) -> [UpdateRun] {
    var runs: [UpdateRun] = []
    for parameter in parameters where parameter.isTrained {
      let scale = learningRateScale(of: parameter, layerDecay: layerDecay)
      if let last = runs.last, last.decays == parameter.decays, last.learningRateScale == scale,
        last.range.upperBound == parameter.range.lowerBound
      {
        runs[runs.count - 1].range = last.range.lowerBound..<parameter.range.upperBound
      } else {
        runs.append(
          UpdateRun(range: parameter.range, decays: parameter.decays, learningRateScale: scale))
      }
    }
    return runs
  }

  /// layerDecay to the number of layers above a parameter: 1 for the head, layerDecay for the last layer,
  /// and so on down to the embeddings (Clark et al., arXiv 2003.10555, appendix A).
  package func learningRateScale(of parameter: Parameter, layerDecay: Double) -> Double {
    let layers = parameters.reduce(0) { count, parameter in
      if case .layer(let index) = parameter.place { max(count, index + 1) } else { count }
    }
    let depth =
      switch parameter.place {
      case .head: 0
      case .layer(let index): layers - index
      case .embeddings: layers + 1
      }
    return (0..<depth).reduce(1) { scale, _ in scale * layerDecay }
  }
}
