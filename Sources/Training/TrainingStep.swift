import Collectives
import Encoders
import Foundation
import Kernels
import Shards

/// One optimizer step over all ranks: cut the global batch, compute this rank's parts, sum the
/// gradients of this rank's share of the parameters, clip, update that share, and exchange the
/// parameters.
///
/// V micro-batches, R ranks.
package final class TrainingStep {
  package struct Outcome {
    /// Mean over the global batch.
    package let loss: Double
    package let gradientNorm: Double
    /// [R]
    package let rowsByRank: [Int]
    package let tokensByRank: [Int]
    /// Whether any rank was asked to stop.
    package let isStopRequested: Bool
  }

  /// Where this rank's time in its steps went.
  package var phases: PhaseClock { replica.phases }
  /// What this rank sent in the last step's exchange, in bytes; neither what moved in a node's memory
  /// nor what MPI did.
  package var bytesSent: Int { exchange.bytesSent }

  private let data: ShardFolder
  private let replica: Replica
  private let trajectory: Trajectory
  private let communicator: Communicator
  private let tree: ReductionTree
  private let exchange: GradientExchange
  private let masking: WordMasking?

  /// - Parameters:
  ///   - masking: In pre-training, what hides words.
  ///   - node: Where the replica's gradient and parameters lie, if in shared memory.
  ///   - overlap: Whether gradients are exchanged beside the backward pass; the ranks may differ in it.
  /// - Throws: `CollectiveError` when the ranks do not agree on the exchange.
  package init(
    _ data: ShardFolder, _ replica: Replica, _ trajectory: Trajectory, _ communicator: Communicator,
    masking: WordMasking? = nil, node: NodeMemory?, overlap: TrainingOptions.Overlap
  ) throws {
    self.data = data
    self.replica = replica
    self.trajectory = trajectory
    self.communicator = communicator
    self.masking = masking
    tree = ReductionTree(parts: trajectory.microBatches, ranks: communicator.size)
    exchange = try GradientExchange(
      replica, trajectory.exchange, communicator, tree: tree, node: node, overlap: overlap)
  }

  /// Brings the moments of all parameters to rank 0, for a save; a collective call.
  func gatherMoments() throws { try exchange.gatherMoments() }

  /// Gives every rank the moments that it keeps up, from rank 0; a collective call.
  func scatterMoments() throws { try exchange.scatterMoments() }

  /// - Parameters:
  ///   - globalBatch: Its rows; cutting it out of the epoch is a part of the step.
  ///   - step: Global step, from 1.
  ///   - epoch: From 0.
  ///   - stopRequested: Whether this rank was asked to stop.
  ///   - parametersWillChange: Called before the update.
  /// - Throws: `TrainingError` for a loss or gradient that is not finite, before any
  ///   parameter changes, on every rank alike. A row that cannot be read ends the job.
  package func take(
    _ globalBatch: @autoclosure () -> [Int], step: Int, epoch: Int, learningRate: Double,
    stopRequested: Bool, parametersWillChange: () -> Void
  ) throws -> Outcome {
    communicator.enter("forward and backward", step: step)
    phases.start()
    let rows = globalBatch()
    let lengths = communicator.orAbort { try data.lengths(of: rows) }
    let parts = bisect(lengths: lengths, parts: trajectory.microBatches)
    let shares = (0..<communicator.size).map { tree.parts(of: $0).flatMap { parts[$0] } }
    let tokensByRank = shares.map { $0.reduce(0) { $0 + lengths[$1] } }
    // A slot for each part's loss and one for the request to stop: each but that has one contributor.
    var sums = [Double](repeating: 0, count: trajectory.microBatches + 1)
    sums[trajectory.microBatches] = stopRequested ? 1 : 0
    let own = tree.parts(of: communicator.rank)
    // A row that only this rank cannot read must not leave the others in the exchange.
    let batches = communicator.orAbort {
      try load(parts[own], of: rows, lengths: lengths, epoch: epoch)
    }
    let counts = try lossCounts(batches, rows: rows.count)
    phases.end(.data)
    let ids = replica.begin(batches)
    // What was begun with is updates that the words had missed.
    phases.end(.optimizer)
    communicator.orAbort {
      try exchange.begin(
        ids: ids, tokensByRank: replica.hasWords ? tokensByRank : tokensByRank.map { _ in 0 })
    }
    let losses = replica.computeGradient(
      of: batches, counts: counts,
      dropout: DropoutStep(seed: trajectory.seed, step: step),
      progress: exchange.layerDone)
    sums.replaceSubrange(own, with: losses)

    communicator.enter("exchange", step: step)
    let norm = try exchange.finish(&sums)
    phases.end(.exchange)
    communicator.enter("update", step: step)
    let loss = sums.dropLast().reduce(0, +)
    try requireFinite(loss: loss, norm: norm, step: step, rows: rows)
    parametersWillChange()
    exchange.update(
      UpdateStep(
        number: step, learningRate: learningRate, weightDecay: trajectory.weightDecay,
        gradientNorm: norm, maxNorm: trajectory.maxGradNorm))
    phases.end(.optimizer)
    phases.finish(step: step)
    return Outcome(
      loss: loss, gradientNorm: norm, rowsByRank: shares.map(\.count),
      tokensByRank: tokensByRank, isStopRequested: sums[trajectory.microBatches] > 0)
  }

  /// Reads this rank's micro-batches, several in a batch.
  ///
  /// - Parameters:
  ///   - parts: Of each micro-batch its rows, as indices into `rows`.
  ///   - lengths: Tokens of each of `rows`.
  private func load(
    _ parts: ArraySlice<[Int]>, of rows: [Int], lengths: [Int], epoch: Int
  ) throws -> [Replica.LabelledBatch] {
    let parts = Array(parts)
    let size = replica.partsTogether(tokens: parts.map { $0.reduce(0) { $0 + lengths[$1] } })
    return try stride(from: 0, to: parts.count, by: size).map { start in
      let together = parts[start..<start + size]
      let bounds = together.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
      let loaded = Replica.LabelledBatch(
        try data.read(together.flatMap { $0.map { rows[$0] } }),
        for: replica.model.configuration, parts: Parts(bounds: bounds), masking: masking,
        epoch: epoch)
      try loaded.batch.check(against: replica.model.configuration)
      return loaded
    }
  }

  /// What the loss of the global batch is divided by: in tasks whose tokens have labels a sum over the
  /// ranks, which wait for each other here.
  private func lossCounts(
    _ batches: [Replica.LabelledBatch], rows: Int
  ) throws -> LossCounts {
    guard replica.model.configuration.task.countsTokens else { return LossCounts(rows: rows) }
    let tokens = batches.reduce(0) { $0 + $1.targets.counts(rows: 0).tokens }
    return LossCounts(rows: rows, tokens: Int(try communicator.sumAll([Double(tokens)])[0]))
  }

  private func requireFinite(loss: Double, norm: Double, step: Int, rows: [Int]) throws {
    guard !loss.isFinite || !norm.isFinite else { return }
    // All ranks come here together.
    let tensor =
      try exchange.firstNonFiniteGradient() ?? "none: only the loss or the norm overflowed"
    throw TrainingError(
      .data, "step \(step), rows \(rows.map(String.init).joined(separator: ","))",
      expected: "a finite loss and gradient",
      found: "loss \(loss), gradient norm \(norm), first bad tensor \(tensor)",
      remedy: "lower --learning-rate or look at these rows; nothing saved was touched")
  }
}
