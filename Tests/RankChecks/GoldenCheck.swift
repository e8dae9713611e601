import Collectives
import Encoders
import GoldenFolders
import Kernels
import Shards
import Training

/// Losses, logits, every gradient and the steps of AdamW against a folder of reference numbers, the
/// batch cut into micro-batches and the gradients summed as the trainer does it: once through the
/// node's memory, and once with messages beside the backward pass. Arguments: the folders, by default
/// those that the tests of one rank check.
func checkGolden(_ communicator: Communicator, _ arguments: [String]) throws {
  let paths = arguments.isEmpty ? try GoldenFolder.paths() : arguments
  var checked = 0
  for path in paths {
    guard let folder = try GoldenFolder.ifSupported(path) else { continue }
    let name = path.split(separator: "/").last ?? ""
    for (way, usesMemory) in [("memory", true), ("messages", false)] {
      let run = try GoldenRun(folder, communicator, usesMemory: usesMemory)
      let comparison = try run.compare()
      try require(comparison.failures.isEmpty, "\(name) by \(way): \(comparison.failures)")
      if communicator.rank == 0 {
        print(
          "golden \(name) \(communicator.size) ranks by \(way) worst \(comparison.worstLine)")
      }
    }
    checked += 1
  }
  try require(checked > 0, "\(GoldenFolder.directory) holds no case that is supported")
}

/// A rank's part in the steps of a folder.
private struct GoldenRun {
  /// Several for each of two ranks.
  private static let microBatches = 4

  private let folder: GoldenFolder
  private let communicator: Communicator
  private let replica: Replica
  private let exchange: GradientExchange
  private let node: NodeMemory?
  private let tree: ReductionTree
  /// This rank's micro-batches, by rows of the folder's batch.
  private let parts: [[Int]]
  private let batches: [Replica.LabelledBatch]
  private let tokensByRank: [Int]
  private let counts: LossCounts

  init(_ folder: GoldenFolder, _ communicator: Communicator, usesMemory: Bool) throws {
    let configuration = folder.configuration
    self.folder = folder
    self.communicator = communicator
    node =
      usesMemory
      ? try Replica.shareMemory(configuration, communicator, exchange: .tree) : nil
    try require(
      !usesMemory || node != nil || communicator.size == 1, "the ranks share no memory")
    let updatesAll = Replica.updatesAll(communicator, exchange: .tree)
    replica = Replica(configuration, threads: 1, updatesAll: updatesAll, node: node)
    try folder.load(into: replica)
    let tree = ReductionTree(
      parts: max(Self.microBatches, ReductionTree.defaultParts(ranks: communicator.size)),
      ranks: communicator.size)
    self.tree = tree
    exchange = try GradientExchange(
      replica, .tree, communicator, tree: tree, node: node, overlap: usesMemory ? .auto : .on)

    let whole = try folder.inputs.labelledBatch(configuration)
    let bounds = whole.batch.cumulativeLengths
    let lengths = zip(bounds.dropFirst(), bounds).map { Int($0 - $1) }
    let all = bisect(lengths: lengths, parts: tree.partCount)
    let tokens = all.map { $0.reduce(0) { $0 + lengths[$1] } }
    tokensByRank = (0..<communicator.size).map { tokens[tree.parts(of: $0)].reduce(0, +) }
    let own = Array(all[tree.parts(of: communicator.rank)])
    let size = replica.partsTogether(tokens: Array(tokens[tree.parts(of: communicator.rank)]))
    parts = own
    batches = try stride(from: 0, to: own.count, by: size).map { start in
      let together = own[start..<start + size]
      let bounds = together.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
      return try folder.inputs.labelledBatch(
        configuration, rows: together.flatMap { $0 }, parts: Parts(bounds: bounds))
    }
    counts = whole.targets.counts(rows: lengths.count)
  }

  func compare() throws -> GoldenComparison {
    var comparison = GoldenComparison()
    try folder.compareLoss(&comparison, try gradient().loss)
    try gatherGradient()
    try folder.compareGradients(&comparison, replica)
    let errors = try folder.logitErrors(replica, rows: parts.flatMap { $0 })
    try folder.compareLogits(&comparison, errors: communicator.sumAll(errors))
    try folder.compareSteps(&comparison, gradient: gradient, update: exchange.update)
    return comparison
  }

  /// The mean loss of all ranks' rows, and the norm of its gradient.
  private func gradient() throws -> (loss: Double, norm: Double) {
    // A neighbour may still be reading what is about to be overwritten.
    try meet(communicator)
    let ids = replica.begin(batches)
    try exchange.begin(
      ids: ids, tokensByRank: replica.hasWords ? tokensByRank : tokensByRank.map { _ in 0 })
    let losses = replica.computeGradient(
      of: batches, counts: counts, dropout: nil, progress: exchange.layerDone)
    var sums = [Double](repeating: 0, count: tree.partCount)
    sums.replaceSubrange(tree.parts(of: communicator.rank), with: losses)
    let norm = try exchange.finish(&sums)
    return (sums.reduce(0, +), norm)
  }

  /// Brings the dense gradient, of which every rank owns ranges, to all of them.
  private func gatherGradient() throws {
    var whole = [Double](repeating: 0, count: replica.model.layout.dense.count)
    for index in exchange.owned.joined() { whole[index] = Double(replica.gradient[index]) }
    for (index, value) in try communicator.sumAll(whole).enumerated() {
      replica.gradient[index] = Float(value)
    }
  }
}
