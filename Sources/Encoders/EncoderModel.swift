import Kernels

/// An encoder with the head of its task over packed batches. It holds no weights: they lie in the
/// caller's arenas, in the order of `layout`.
///
/// T tokens, S sequences, H hidden.
package final class EncoderModel {
  package let configuration: ModelConfiguration
  package let layout: ParameterLayout
  let encoder: any TextEncoder
  let head: any Head
  /// Dense parameters whose gradient is always zero.
  private let untrained: [Parameter]
  /// Where the head's tensors begin.
  private let headOffset: Int

  package init(_ configuration: ModelConfiguration) {
    self.configuration = configuration
    var layout = ParameterLayout(frozenLayers: configuration.frozenLayers)
    encoder = configuration.architecture.makeEncoder(configuration, &layout)
    layout.place = .head
    head =
      switch configuration.task {
      case .multiLabel, .multiClass, .regression: SequenceHead(configuration, &layout)
      case .tokenClassification, .questionAnswering: TokenHead(configuration, &layout)
      case .pretraining: PretrainingHead(configuration, &layout)
      }
    self.layout = layout
    untrained = layout.parameters.filter { !$0.isTrained && layout.dense.contains($0.offset) }
    headOffset = layout.parameters.first { $0.place == .head }?.offset ?? layout.count
  }

  /// Whether a batch may have several parts: not where a table has gradients of two kinds, each of which
  /// would be summed over the parts by itself.
  package var sumsPartsTogether: Bool { !configuration.tiesWordTable }

  /// Computes the activations' logits.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` floats.
  ///   - dropout: nil for inference: no dropout at all.
  ///   - progress: Called after every layer.
  /// - Precondition: The batch passed `PackedBatch.check(against:)`.
  package func forward(
    _ batch: PackedBatch, _ parameters: Floats, _ activations: Activations,
    dropout: DropoutStep?, _ pool: ThreadPool, progress: () -> Void = {}
  ) {
    activations.reserve(batch)
    guard batch.sequenceCount > 0 else { return }
    let pass = Pass(batch, configuration, dropout, pool)
    activations.encoder.forward(pass, parameters, progress: progress)
    activations.head.forward(pass, activations.encoder, parameters)
  }

  /// The logits of the batch that went forward last, by name.
  package func logits(_ batch: PackedBatch, _ activations: Activations, _ pool: ThreadPool)
    -> [Logits]
  {
    activations.head.logits(Pass(batch, configuration, nil, pool))
  }

  /// The loss of each part of the batch that went forward last; leaves the gradient at its logits in
  /// their place or beside them, for `backward`.
  ///
  /// - Parameter counts: Of the global batch: the sum of all parts' losses is its mean loss.
  /// - Precondition: The targets are of the model's task and of the batch's rows.
  package func loss(
    _ batch: PackedBatch, _ targets: Targets, _ counts: LossCounts, _ activations: Activations,
    _ pool: ThreadPool
  ) -> [Double] {
    guard batch.sequenceCount > 0 else {
      return [Double](repeating: 0, count: batch.sequenceParts.count)
    }
    return activations.head.loss(Pass(batch, configuration, nil, pool), targets, counts)
  }

  /// Computes every gradient of the loss: the sum over the batch's parts in their tree.
  ///
  /// - Parameters:
  ///   - gradients: Of all parameters but a sparse word table: `layout.dense.count` floats, all
  ///     overwritten; zeros for an empty batch.
  ///   - progress: Called after every layer, with the index from which to the end of `gradients` all
  ///     are complete.
  /// - Returns: [T, H] The gradient of each token's word embedding, for `Embedding.sumRows`, in the
  ///   activations' scratch: good until the next pass.
  /// - Precondition: `forward` and `loss` ran last on the same batch, parameters and training
  ///   activations.
  package func backward(
    _ batch: PackedBatch, _ parameters: Floats, _ gradients: MutableFloats,
    _ activations: Activations, dropout: DropoutStep?, _ pool: ThreadPool,
    progress: (_ completeFrom: Int) -> Void = { _ in }
  ) -> Floats {
    precondition(activations.isTraining, "inference keeps no activations to go back through")
    precondition(sumsPartsTogether || batch.sequenceParts.count == 1, "one part at a time")
    guard batch.sequenceCount > 0 else {
      Reduction.zero(gradients, count: layout.dense.count, pool)
      return Floats(activations.encoder.outputGradient)
    }
    let first = layout.dense.lowerBound
    let dense = DenseGradients(gradients, layout)
    for parameter in untrained {
      Reduction.zero(dense + parameter.offset, count: parameter.count, pool)
    }
    let pass = Pass(batch, configuration, dropout, pool)
    activations.head.backward(pass, activations.encoder, parameters, dense)
    progress(headOffset - first)
    return activations.encoder.backward(pass, parameters, dense) { progress($0 - first) }
  }
}
