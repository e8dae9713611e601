import COpenMPI

/// The exchange of a training step in two halves: gradients are summed, each range on the one rank
/// that owns it, and what the owners make of them, the parameters, is handed to all.
///
/// Sums are in the order of a ``ReductionTree``: the same bits for every number of ranks. As many
/// bytes move as in a ``TreeAllReduce``, and each rank works on its share alone in between. The
/// second ranks of a tree's split groups own nothing.
///
/// An exchange that fails ends the job with code 70 and a message, for MPI may still write into the
/// buffers.
package final class ShardedExchange {
  /// What the exchange computes; all of it must give IEEE single-precision sums.
  package struct Arithmetic {
    /// y[i] += x[i]
    package var add: TreeAllReduce.Add
    /// y[i] = the sum of the buffers in one complete binary tree; y may be one of them.
    package var treeSum:
      (_ y: UnsafeMutablePointer<Float>, _ buffers: [UnsafePointer<Float>], _ n: Int) -> Void

    package init(
      add: @escaping TreeAllReduce.Add = addElementwise,
      treeSum: @escaping (UnsafeMutablePointer<Float>, [UnsafePointer<Float>], Int) -> Void =
        treeSumElementwise
    ) {
      self.add = add
      self.treeSum = treeSum
    }
  }

  /// Who owns what.
  package let layout: ShardLayout

  let communicator: Communicator
  let pipeline: BucketPipeline
  let arithmetic: Arithmetic
  /// nil where messages go to neighbours on the node too.
  let node: NodeMemory?
  /// The buffer is complete from here to its end.
  private(set) var readyFrom = 0
  private var isProgressing = false

  /// Allocates the scratch; a collective call.
  ///
  /// - Parameters:
  ///   - count: the floats of every buffer that is exchanged.
  ///   - block: ranges begin at multiples of so many floats.
  ///   - bucketFloats: the floats that are exchanged at a time, 1 ... 2^30; 4 to 8 MB do well for
  ///     messages, and 1 MB, which stays in a core's cache, within a node.
  ///   - node: buffers that neighbours can read: of those, and of no others, ranges are added and
  ///     copied without messages between ranks of one node.
  /// - Throws: when the ranks do not agree on the tree and the sizes.
  package init(
    communicator: Communicator, tree: ReductionTree, count: Int, block: Int,
    bucketFloats: Int? = nil, node: NodeMemory? = nil, arithmetic: Arithmetic = Arithmetic()
  ) throws(CollectiveError) {
    precondition(tree.rankCount == communicator.size, "a tree of another number of ranks")
    self.communicator = communicator
    self.node = node
    self.arithmetic = arithmetic
    let bucket = bucketFloats ?? (node?.localSize == communicator.size ? 1 << 18 : 1 << 20)
    layout = ShardLayout(tree: tree, count: count, block: block, bucketFloats: bucket)
    pipeline = BucketPipeline(communicator, layout)
    try communicator.requireEqual(
      "\(tree.partCount) parts, \(count) floats, buckets of \(bucket), blocks of \(block)")
  }

  /// What this rank owns.
  package var owned: [Range<Int>] { layout.owned(by: communicator.rank) }

  /// What this rank has sent so far, in bytes; what moves in a node's memory is not sent.
  package var bytesSent: Int { pipeline.bytesSent }

  /// Sums `buffer` over the ranks; a collective call. Afterwards the ranges that this rank owns hold
  /// the sums, and the others hold partial ones.
  ///
  /// - Parameters:
  ///   - buffer: [count] floats, this rank's sum over ``ReductionTree/parts(of:)``; overwritten.
  ///   - summed: called with each owned range as soon as it has its sum.
  package func reduceScatter(
    _ buffer: UnsafeMutablePointer<Float>, summed: @escaping (Range<Int>) -> Void = { _ in }
  ) {
    begin(buffer, summed: summed)
    finish()
  }

  /// ``reduceScatter(_:summed:)`` in pieces, beside the backward pass that makes the gradients: begins
  /// one, of which nothing is ready yet. It does not communicate.
  package func begin(
    _ buffer: UnsafeMutablePointer<Float>, summed: @escaping (Range<Int>) -> Void = { _ in }
  ) {
    readyFrom = layout.count
    var actions = BucketPipeline.Actions()
    actions.mayStart = { [self] in layout.bucket($0).lowerBound >= readyFrom }
    actions.add = arithmetic.add
    actions.end = { [self] in summed(owned(of: $0)) }
    var steps = layout.tree.scatterSteps
    if let node, let place = node.place(of: buffer) {
      beginNodePass(node, place, &actions)
      steps = steps.dropFirst(node.levels)
    }
    pipeline.begin(buffer, steps, actions)
  }

  /// Says that the buffer is complete from `index` to its end, and lets that part set out.
  ///
  /// - Parameter index: at most that of the call before.
  package func ready(from index: Int) {
    precondition(index <= readyFrom, "what was ready stays so")
    readyFrom = index
    if let node { raiseReady(node) }
    progress()
  }

  /// Does what can be done without waiting. MPI moves messages on only in its calls, so this is to be
  /// called often while other work goes on; a call inside of another does nothing.
  package func progress() {
    guard !isProgressing, !pipeline.isDone else { return }
    isProgressing = true
    defer { isProgressing = false }
    communicator.endJobIfThrown { () throws(CollectiveError) in _ = try pipeline.advance() }
  }

  /// Completes what ``begin(_:summed:)`` began; a collective call. All of the buffer is ready.
  package func finish() {
    isProgressing = true
    defer { isProgressing = false }
    readyFrom = 0
    if let node { raiseReady(node) }
    communicator.endJobIfThrown { () throws(CollectiveError) in try pipeline.finish() }
  }

  /// Hands every owned range of `buffer` to all ranks; a collective call, after a
  /// ``reduceScatter(_:summed:)`` and a meeting of all ranks.
  ///
  /// - Parameters:
  ///   - buffer: [count] floats; what other ranks own is overwritten.
  ///   - prepare: called with each owned range before it is sent: there is time then to compute it,
  ///     while others are under way.
  package func allGather(
    _ buffer: UnsafeMutablePointer<Float>, prepare: @escaping (Range<Int>) -> Void = { _ in }
  ) {
    guard communicator.size > 1 else {
      return communicator.span(.update) { owned.forEach(prepare) }
    }
    isProgressing = true
    defer { isProgressing = false }
    communicator.endJobIfThrown { () throws(CollectiveError) in
      if let node, let place = node.place(of: buffer) {
        return try gather(buffer, over: node, place, prepare: prepare)
      }
      var actions = BucketPipeline.Actions()
      actions.start = { [self] bucket in
        communicator.span(.update, number: bucket) { prepare(owned(of: bucket)) }
      }
      pipeline.begin(buffer, layout.tree.gatherSteps, actions)
      try pipeline.finish()
    }
  }

  func owned(of bucket: Int) -> Range<Int> {
    layout.owned(by: communicator.rank, bucket: bucket)
  }
}

// Between the owners and rank 0, which reads and writes checkpoints.
extension ShardedExchange {
  /// Copies every owned range of `buffer` to rank 0; a collective call. The others' stay as they are.
  package func gatherToRoot(_ buffer: UnsafeMutablePointer<Float>) throws(CollectiveError) {
    try moveShards(buffer, isToRoot: true)
  }

  /// Copies every range of rank 0's `buffer` to its owner; a collective call. What a rank does not own
  /// stays as it is.
  package func scatterFromRoot(_ buffer: UnsafeMutablePointer<Float>) throws(CollectiveError) {
    try moveShards(buffer, isToRoot: false)
  }

  private func moveShards(
    _ buffer: UnsafeMutablePointer<Float>, isToRoot: Bool
  ) throws(CollectiveError) {
    // Alone, MPI was perhaps never started.
    guard communicator.size > 1 else { return }
    let rank = communicator.rank
    // Rank 0 is at one end of every message.
    let peers = rank == 0 ? Array(1..<communicator.size) : [0]
    var requests = [MPI_Request?](repeating: lockstep_request_null(), count: peers.count)
    for bucket in 0..<layout.bucketCount {
      try requests.withUnsafeMutableBufferPointer { requests throws(CollectiveError) in
        guard let base = requests.baseAddress else { return }
        for (index, peer) in peers.enumerated() {
          let range = layout.owned(by: rank == 0 ? peer : rank, bucket: bucket)
          guard !range.isEmpty else { continue }
          try move(
            buffer + range.lowerBound, range.count, peer: Int32(peer), tag: Int32(bucket & 0x7fff),
            sends: isToRoot == (rank != 0), base + index)
        }
        try communicator.wait(base, count: peers.count, for: .transfer, "the moving of shards")
      }
      communicator.worked()
    }
  }

  private func move(
    _ base: UnsafeMutablePointer<Float>, _ count: Int, peer: Int32, tag: Int32, sends: Bool,
    _ request: UnsafeMutablePointer<MPI_Request?>
  ) throws(CollectiveError) {
    let world = lockstep_comm_world()
    try communicator.check(
      sends
        ? MPI_Isend(base, Int32(count), lockstep_float(), peer, tag, world, request)
        : MPI_Irecv(base, Int32(count), lockstep_float(), peer, tag, world, request),
      "the moving of shards with rank \(peer)")
  }
}

extension Communicator {
  /// For an exchange whose buffers MPI may still write into after an error: that ends the job.
  func endJobIfThrown<Value>(_ body: () throws(CollectiveError) -> Value) -> Value {
    do throws(CollectiveError) {
      return try body()
    } catch {
      abort(code: 70, message: "lockstep: error: \(error)")
    }
  }

  /// - Parameter own: what must be the same on every rank, as text.
  func requireEqual(_ own: String) throws(CollectiveError) {
    let all = try gatherAll(Array(own.utf8))
    for (rank, bytes) in all.enumerated() where bytes != all[0] {
      throw CollectiveError(
        place: "rank \(rank)", expected: "rank 0's " + String(decoding: all[0], as: UTF8.self),
        found: String(decoding: bytes, as: UTF8.self),
        remedy: "start every rank with the same model and options")
    }
  }
}

/// y[i] = the sum of x[..][i] in one complete binary tree over the buffers, for i in 0..<n.
package func treeSumElementwise(
  _ y: UnsafeMutablePointer<Float>, _ buffers: [UnsafePointer<Float>], _ n: Int
) {
  for i in 0..<n {
    var sums = buffers.map { $0[i] }
    while sums.count > 1 {
      sums = stride(from: 0, to: sums.count, by: 2).map { sums[$0] + sums[$0 + 1] }
    }
    y[i] = sums[0]
  }
}
