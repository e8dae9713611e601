import Kernels

/// What a forward pass leaves behind for the backward pass, and the scratch of both.
///
/// One arena holds everything; it grows when a batch needs more than any before it, and a step
/// within the capacity allocates nothing.
package final class Activations {
  package let configuration: ModelConfiguration
  package let isTraining: Bool
  private let threads: Int
  private var capacity = Capacity()
  private var arena = Arena(count: 0)
  private(set) var buffers: ActivationBuffers
  /// Which tokens of a batch have which position, and which type.
  let positionTokens: RowTokens
  let typeTokens: RowTokens

  /// - Parameters:
  ///   - isTraining: Whether a backward pass will follow; without one, memory is that of one layer.
  ///   - threads: Of the pool that the passes will run on.
  package init(_ configuration: ModelConfiguration, isTraining: Bool, threads: Int) {
    self.configuration = configuration
    self.isTraining = isTraining
    self.threads = threads
    positionTokens = RowTokens(tableRows: configuration.maxPositions)
    typeTokens = RowTokens(tableRows: configuration.typeVocabularySize)
    var cursor = ArenaCursor(base: arena.base)
    buffers = ActivationBuffers(
      &cursor, Capacity(), configuration, isTraining: isTraining, threads: threads)
  }

  /// [S, L]
  package var logits: MutableFloats { buffers.logits }
  /// [S, L]: the caller's, between the passes.
  package var logitsGradient: MutableFloats { buffers.logitsGradient }

  /// The last layer's output [T, H] of the batch that went forward last.
  package var lastHiddenState: Floats {
    Floats(buffers.layers.last.map(\.output) ?? buffers.embedded)
  }

  /// Floats that a batch of `sequences` sequences of `length` tokens takes.
  package static func floatCount(
    _ configuration: ModelConfiguration, sequences: Int, length: Int, isTraining: Bool,
    threads: Int
  ) -> Int {
    let capacity = Capacity(
      tokens: sequences * length, sequences: sequences, longest: length,
      probabilities: configuration.headCount * sequences * length * length)
    return measure(capacity, configuration, isTraining: isTraining, threads: threads)
  }

  /// Makes room for a batch.
  func reserve(_ batch: PackedBatch) {
    let needed = Capacity(
      tokens: batch.tokenCount, sequences: batch.sequenceCount, longest: batch.longest,
      probabilities: batch.cumulativeLengths.withUnsafeBufferPointer {
        Attention.probabilityCount(cumulativeLengths: $0, heads: configuration.headCount)
      })
    guard !capacity.holds(needed) else { return }
    capacity = capacity.grown(toHold: needed)
    arena = Arena(
      count: Self.measure(capacity, configuration, isTraining: isTraining, threads: threads))
    var cursor = ArenaCursor(base: arena.base)
    buffers = ActivationBuffers(
      &cursor, capacity, configuration, isTraining: isTraining, threads: threads)
  }

  private static func measure(
    _ capacity: Capacity, _ configuration: ModelConfiguration, isTraining: Bool, threads: Int
  ) -> Int {
    var cursor = ArenaCursor(base: nil)
    _ = ActivationBuffers(
      &cursor, capacity, configuration, isTraining: isTraining, threads: threads)
    return cursor.used
  }
}

/// How large a batch the buffers take.
struct Capacity {
  var tokens = 0
  var sequences = 0
  var longest = 0
  var probabilities = 0

  func holds(_ other: Capacity) -> Bool {
    tokens >= other.tokens && sequences >= other.sequences && longest >= other.longest
      && probabilities >= other.probabilities
  }

  /// A fifth more than needed of what grows, so that a slowly rising batch size settles soon.
  func grown(toHold other: Capacity) -> Capacity {
    func grow(_ have: Int, _ need: Int) -> Int { have >= need ? have : need + need / 5 }
    return Capacity(
      tokens: grow(tokens, other.tokens), sequences: grow(sequences, other.sequences),
      longest: grow(longest, other.longest),
      probabilities: grow(probabilities, other.probabilities))
  }
}
