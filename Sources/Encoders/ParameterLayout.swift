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
  /// Whether the task's loss depends on it. What does not stays as it was read.
  package let isUsed: Bool

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
    isUsed: false)
  /// Of the tensors that are appended.
  var place = Parameter.Place.embeddings

  /// Appends a tensor and returns its offset.
  mutating func append(_ name: String, _ shape: [Int], isUsed: Bool = true) -> Int {
    let lowercased = name.lowercased()
    let exempt = ["bias", "layernorm", "layer_norm"].contains { lowercased.contains($0) }
    let parameter = Parameter(
      name: name, shape: shape, offset: count, decays: !exempt, place: place, isUsed: isUsed)
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

  /// The longest runs of neighbouring parameters with one answer to weight decay, without those that the
  /// loss does not depend on: what an optimizer step iterates over.
  package var decayRuns: [(range: Range<Int>, decays: Bool)] {
    var runs: [(range: Range<Int>, decays: Bool)] = []
    for parameter in parameters where parameter.isUsed {
      if let last = runs.last, last.decays == parameter.decays,
        last.range.upperBound == parameter.range.lowerBound
      {
        runs[runs.count - 1].range = last.range.lowerBound..<parameter.range.upperBound
      } else {
        runs.append((parameter.range, parameter.decays))
      }
    }
    return runs
  }
}
