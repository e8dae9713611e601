import Encoders

/// The work of a training step that cannot be left out, and the least time that it takes on a machine
/// whose multiplication and memory are as fast as they were measured.
///
/// T tokens, S sequences of n tokens, H hidden, I intermediate, layers each.
package struct StepFloor: Sendable, Equatable {
  /// Of forward and backward: linear layers 6 · tokens · weights, attention 12 · H · Σ n² a layer. Where
  /// layers see one vector for several tokens, n counts these, and one shallow layer and the
  /// convolution between are on the tokens.
  package let floatingPointOperations: Double
  /// What the norm of the gradient and AdamW read and write: 32 a touched parameter.
  package let optimizerBytes: Double
  /// All but the rows of the word embeddings that the batch does not have.
  package let touchedParameters: Double

  /// - Parameters:
  ///   - lengths: [S] tokens of the global batch's rows.
  ///   - distinctTokens: how many different ids they have.
  package init(_ configuration: ModelConfiguration, lengths: [Int], distinctTokens: Int) {
    let (hidden, inner) = (configuration.hiddenSize, configuration.intermediateSize)
    let rate = configuration.rowMultiple
    let places = lengths.map { ($0 + rate - 1) / rate }
    let tokens = places.reduce(0, +)
    let squares = places.reduce(0) { $0 + $1 * $1 }
    let layerWeights = 4 * hidden * hidden + 2 * hidden * inner
    let headWeights = hidden * hidden + hidden * configuration.labelNames.count
    let layers = configuration.layerCount
    let shallow = rate == 1 ? 0 : rate * tokens * (layerWeights + hidden * hidden)
    let linear = 6 * (tokens * layers * layerWeights + shallow + lengths.count * headWeights)
    floatingPointOperations = Double(linear + 12 * hidden * layers * squares)
    let layout = EncoderModel(configuration).layout
    let hasWords = layout.wordTable.count > 0
    touchedParameters = Double(layout.dense.count + (hasWords ? distinctTokens * hidden : 0))
    // The norm reads the gradient; AdamW reads four numbers and writes three.
    optimizerBytes = 32 * touchedParameters
  }

  /// Clipping needs the norm of the whole gradient, so the optimizer comes after all of the backward
  /// pass, and the times add up. The exchange between ranks is not in it.
  package func seconds(_ ceilings: MachineCeilings) -> Double {
    floatingPointOperations / (ceilings.gflops * 1e9)
      + optimizerBytes / (ceilings.gigabytesPerSecond * 1e9)
  }
}
