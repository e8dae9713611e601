import Collectives
import Kernels

/// What the ranks hand to each other in a step: word ids and word gradients, which all of them need,
/// and of the dense parameters each rank's share, first their gradients and then themselves.
///
/// B blocks of dense gradients whose squares are summed by themselves.
package final class GradientExchange {
  private let replica: Replica
  private let communicator: Communicator
  /// nil where every rank updates everything.
  private let shares: ShardedExchange?
  private let words: TreeAllReduce
  private let wordGather: NumberGather
  private let overlaps: Bool
  /// What this rank updates of the dense parameters, and has the world's gradient of.
  package let owned: [Range<Int>]
  /// [B] The sums of squares of this rank's blocks, zeros elsewhere.
  private let squares: UnsafeMutableBufferPointer<Double>
  private var bytesSentBefore = 0

  /// - Parameters:
  ///   - tree: Over all micro-batches and ranks.
  ///   - node: Where the replica's gradient and parameters lie, if in shared memory.
  ///   - overlap: Whether gradients are exchanged beside the backward pass; the ranks may differ in it.
  /// - Throws: `CollectiveError` when the ranks do not agree on the exchange.
  package init(
    _ replica: Replica, _ exchange: TrainingOptions.Exchange, _ communicator: Communicator,
    tree: ReductionTree, node: NodeMemory?, overlap: TrainingOptions.Overlap
  ) throws {
    self.replica = replica
    self.communicator = communicator
    let layout = replica.model.layout
    shares =
      exchange == .mpi
      ? nil
      : try ShardedExchange(
        communicator: communicator, tree: tree, count: layout.dense.count, block: Replica.block,
        node: node, arithmetic: replica.exchangeArithmetic)
    owned = shares?.owned ?? [0..<layout.dense.count]
    words = try TreeAllReduce(
      communicator: communicator, tree: tree, count: layout.wordTable.count,
      bucketFloats: 1 << 18)
    wordGather = NumberGather(communicator)
    squares = .allocate(capacity: replica.blockCount)
    squares.initialize(repeating: 0)
    overlaps =
      switch overlap {
      case .auto: communicator.size > communicator.localSize
      case .on: true
      case .off: false
      }
  }

  deinit { squares.deallocate() }

  /// What this rank sent in the last step, in bytes, but for a few ids and numbers; neither what moved
  /// in a node's memory nor what MPI did.
  var bytesSent: Int { (shares?.bytesSent ?? 0) - bytesSentBefore + words.bytesSent }

  /// Prepares the sum of the gradients that are about to be computed.
  ///
  /// - Parameters:
  ///   - ids: Of this rank's tokens.
  ///   - tokensByRank: How many there are on every rank.
  package func begin(ids: [Int32], tokensByRank: [Int]) throws {
    // The other ranks' words come in while this one computes.
    try ids.withUnsafeBufferPointer { try wordGather.start($0, counts: tokensByRank) }
    guard let shares else { return }
    bytesSentBefore = shares.bytesSent
    squares.update(repeating: 0)
    shares.begin(replica.gradient) { [replica, squares] range in
      if let base = squares.baseAddress { replica.sumSquares(of: range, base) }
    }
    // Messages move on only when MPI is called.
    if overlaps { replica.pool.afterRun = { shares.progress() } }
  }

  /// Says that a layer is done.
  ///
  /// - Parameter index: From here to its end the dense gradient is complete.
  package func layerDone(completeFrom index: Int) {
    communicator.worked()
    if overlaps { shares?.ready(from: index) }
  }

  /// Sums this rank's share of the dense gradients, all word gradients and `sums` over the ranks.
  ///
  /// - Returns: The norm of all gradients together: the same bits on every number of ranks.
  package func finish(_ sums: inout [Double]) throws -> Double {
    replica.pool.afterRun = nil
    replica.sumWordRows(touchedBy: try wordGather.finish())
    try sumWords()
    guard let shares else {
      try allReduceWithMPI(
        communicator, replica.gradient, count: replica.model.layout.dense.count)
      sums = try communicator.sumAll(sums)
      return replica.gradientNorm()
    }
    shares.finish()
    let all = try communicator.sumAll(sums + squares)
    sums = Array(all[..<sums.count])
    return replica.gradientNorm(denseSquares: all[sums.count...])
  }

  private func sumWords() throws {
    let gradient = replica.wordGradient
    guard let base = gradient.baseAddress else { return }
    if shares == nil {
      try allReduceWithMPI(communicator, base, count: gradient.count)
    } else {
      words.reduce(base, count: gradient.count, add: replica.exchangeArithmetic.add)
    }
  }

  /// Updates this rank's share and the words, and hands the parameters to all.
  package func update(_ step: UpdateStep) {
    communicator.span(.update) { replica.updateWords(step) }
    if let shares {
      shares.allGather(replica.denseParameters) { [replica] in replica.update($0, step) }
    } else {
      communicator.span(.update) { for range in owned { replica.update(range, step) } }
    }
  }

  /// The first tensor with a gradient that is not finite, on all ranks the same; a collective call.
  func firstNonFiniteGradient() throws -> String? {
    // Only an owner has a sum to look at.
    let index = owned.lazy.compactMap { self.replica.firstNonFiniteGradient(in: $0) }.first
    let first = try communicator.gatherAll([UInt64(index ?? .max)]).map { $0[0] }.min() ?? .max
    if !replica.areWordsFinite { return replica.model.layout.wordTable.name }
    return first == .max ? nil : replica.parameterName(ofDense: Int(first))
  }

  /// Brings the moments of all parameters to rank 0, for a save; a collective call.
  func gatherMoments() throws {
    for moments in replica.denseMoments { try shares?.gatherToRoot(moments) }
  }

  /// Gives every rank the moments that it keeps up, from rank 0; a collective call.
  func scatterMoments() throws {
    let layout = replica.model.layout
    for (arena, dense) in zip([replica.expAvg, replica.expAvgSq], replica.denseMoments) {
      guard let shares else {
        try communicator.broadcast(arena, from: 0)
        continue
      }
      let words = UnsafeMutableRawBufferPointer(
        start: arena.base + layout.wordTable.offset,
        count: layout.wordTable.count * MemoryLayout<Float>.stride)
      try communicator.broadcast(words, from: 0)
      try shares.scatterFromRoot(dense)
    }
  }
}

extension Replica {
  fileprivate var exchangeArithmetic: ShardedExchange.Arithmetic {
    .init(
      add: { [pool] y, x, count in Reduction.add(y, x, count: count, pool) },
      treeSum: { [pool] y, buffers, count in Reduction.treeSum(y, buffers, count: count, pool) })
  }
}
