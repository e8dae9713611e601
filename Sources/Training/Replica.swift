import Collectives
import Encoders
import Kernels

/// One rank's whole copy of the model: parameters, gradients, moments, and the arithmetic of a step.
///
/// The word embeddings are apart: a step touches few of their rows (`WordRows`). All other parameters
/// are the dense ones, `layout.dense`; of their moments only those of the parameters that this rank
/// updates are kept up. Ranges and indices of dense floats count from the first of them.
///
/// V micro-batches a step; S sequences, L labels.
package final class Replica {
  package let model: EncoderModel
  package let pool: ThreadPool
  let weights: Arena
  let means: Arena
  let squares: Arena
  let words: WordRows
  let activations: Activations
  /// Dense gradients by depth in this rank's part of the reduction tree; the first holds the sum.
  var gradients: [Arena]
  let optimizer = AdamW()
  /// Of the layout, which is asked for them in every bucket of every step.
  let updateRuns: [ParameterLayout.UpdateRun]
  package let phases = PhaseClock()

  /// - Parameters:
  ///   - layerDecay: See `ParameterLayout.learningRateScale(of:layerDecay:)`.
  ///   - updatesAll: Whether this rank updates all parameters, or a share of them: stretches
  ///     shorter than a huge page, which would bring the moments of others into memory.
  ///   - node: Where the gradient and the parameters lie, if other processes are to read them: what
  ///     `shareMemory` gave.
  package init(
    _ configuration: ModelConfiguration, threads: Int, layerDecay: Double = 1,
    updatesAll: Bool = true, node: NodeMemory? = nil
  ) {
    model = EncoderModel(configuration)
    pool = ThreadPool(threads: threads)
    let layout = model.layout
    updateRuns = layout.updateRuns(layerDecay: layerDecay)
    let arena = { (region: Int, count: Int) in
      node.map { Arena(base: $0.buffer(region), count: count, in: $0) } ?? Arena(count: count)
    }
    gradients = [arena(0, layout.dense.count)]
    weights = arena(1, layout.count)
    means = Arena(count: layout.count, pages: updatesAll ? .huge : .small)
    squares = Arena(count: layout.count, pages: updatesAll ? .huge : .small)
    words = WordRows(
      optimizer, layout, layerDecay: layerDecay, weights, means, squares)
    activations = Activations(model, isTraining: true, threads: threads)
  }

  /// Whether every rank updates all parameters, rather than a share of them.
  package static func updatesAll(
    _ communicator: Communicator, exchange: TrainingOptions.Exchange
  ) -> Bool {
    communicator.size == 1 || exchange == .mpi
  }

  /// Memory for the replicas of ranks that share a node; a collective call.
  ///
  /// - Returns: nil where the ranks do not exchange through it.
  package static func shareMemory(
    _ configuration: ModelConfiguration, _ communicator: Communicator,
    exchange: TrainingOptions.Exchange
  ) throws(CollectiveError) -> NodeMemory? {
    guard !updatesAll(communicator, exchange: exchange) else { return nil }
    let layout = EncoderModel(configuration).layout
    return try NodeMemory.share([layout.dense.count, layout.count], communicator)
  }

  /// Floats of the model.
  package var count: Int { model.layout.count }

  // Whoever looks at a whole arena sees what a dense update of all rows would have left.

  /// [layout.count], all rows up to date: that takes time, where words have missed steps.
  package var parameters: Arena { upToDate(weights) }
  /// [layout.count] First moments of the gradient, likewise.
  package var expAvg: Arena { upToDate(means) }
  /// [layout.count] Second moments of the gradient, likewise.
  package var expAvgSq: Arena { upToDate(squares) }

  /// What a checkpoint keeps of the replica.
  var savedArenas: [UnsafeRawBufferPointer] {
    [parameters, expAvg, expAvgSq].map {
      UnsafeRawBufferPointer(start: $0.base, count: $0.count * MemoryLayout<Float>.stride)
    }
  }

  private func upToDate(_ arena: Arena) -> Arena {
    words.bringUpToDate(pool)
    return arena
  }

  // What ranks hand to each other.

  /// [layout.dense.count]
  var denseParameters: MutableFloats { weights.base + model.layout.dense.lowerBound }
  /// Both moments, each [layout.dense.count].
  var denseMoments: [MutableFloats] {
    [means, squares].map { $0.base + model.layout.dense.lowerBound }
  }
}
