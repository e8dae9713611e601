/// One tensor of the model and where it lies in the arenas.
package struct Parameter: Sendable, Equatable {
  /// Hugging Face's name, e.g. `bert.encoder.layer.0.output.dense.weight`.
  package let name: String
  /// Row-major dimensions.
  package let shape: [Int]
  /// First float in the parameter, gradient and moment arenas.
  package let offset: Int
  /// Whether AdamW's weight decay applies: not to biases and norm weights.
  package let decays: Bool

  package var count: Int { shape.reduce(1, *) }
  package var range: Range<Int> { offset..<offset + count }
}

/// The one order of parameters for arenas, gradient buckets and checkpoints.
///
/// Tensors follow each other without gaps: the query, key and value weights of a layer are one
/// [3H, H] matrix to the kernels, and their biases one [3H] vector. The word table stands first: its
/// gradient has rows only for the words that occur, and all others are one dense range.
package struct ParameterLayout: Sendable, Equatable {
  package private(set) var parameters: [Parameter] = []
  /// Floats in an arena.
  package private(set) var count = 0

  /// Appends a tensor and returns its offset.
  mutating func append(_ name: String, _ shape: [Int]) -> Int {
    let lowercased = name.lowercased()
    let exempt = ["bias", "layernorm", "layer_norm"].contains { lowercased.contains($0) }
    let parameter = Parameter(name: name, shape: shape, offset: count, decays: !exempt)
    parameters.append(parameter)
    count += parameter.count
    return parameter.offset
  }

  /// The word embeddings [V, H].
  package var wordTable: Parameter { parameters[0] }
  /// The floats of all parameters but the word table: those that have a gradient in every step.
  package var dense: Range<Int> { wordTable.range.upperBound..<count }

  /// The longest runs of neighbouring parameters with one answer to weight decay: what an optimizer
  /// step iterates over.
  package var decayRuns: [(range: Range<Int>, decays: Bool)] {
    var runs: [(range: Range<Int>, decays: Bool)] = []
    for parameter in parameters {
      if let last = runs.last, last.decays == parameter.decays {
        runs[runs.count - 1].range = last.range.lowerBound..<parameter.range.upperBound
      } else {
        runs.append((parameter.range, parameter.decays))
      }
    }
    return runs
  }
}
