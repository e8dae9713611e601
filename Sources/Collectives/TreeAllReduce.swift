import COpenMPI

/// The sum of a float buffer over the ranks in the order of a ``ReductionTree``: the same bits for
/// every number of ranks that the tree admits, on every rank.
///
/// Buckets go through the tree one after the other, two at a time, so that one is in transit while
/// the other is added. The tree holds for every element by itself, so neither the bucket size nor a
/// division of the buffer over several calls changes a bit of the result.
package final class TreeAllReduce {
  /// y[i] += x[i] for i in 0..<n.
  package typealias Add = (
    _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ n: Int
  ) -> Void

  /// What this rank sent in the last call of ``reduce(_:count:add:)``, in bytes.
  package private(set) var bytesSent = 0

  private let communicator: Communicator
  private let tree: ReductionTree
  private let count: Int
  private let bucketFloats: Int
  /// [slots, slotFloats]: what comes in and is to be added.
  private let scratch: UnsafeMutablePointer<Float>
  private let slotFloats: Int
  /// [slots, 2]: a slot's pending receive and send.
  private let requests: UnsafeMutablePointer<MPI_Request?>
  /// [slots] When a slot's step was posted; 0 without a timeline.
  private var starts = [UInt64](repeating: 0, count: TreeAllReduce.slots)
  static let slots = 2

  /// Allocates the scratch; a collective call.
  ///
  /// - Parameters:
  ///   - count: the most floats that a call of ``reduce(_:count:add:)`` will have.
  ///   - bucketFloats: the floats that are exchanged at a time, 1 ... 2^30; 4 to 8 MB do well.
  /// - Throws: when the ranks do not agree on the tree, the count and the bucket size.
  package init(
    communicator: Communicator, tree: ReductionTree, count: Int, bucketFloats: Int = 1 << 20
  ) throws(CollectiveError) {
    precondition(count >= 0 && (1...(1 << 30)).contains(bucketFloats), "sizes out of range")
    precondition(tree.rankCount == communicator.size, "a tree of another number of ranks")
    self.communicator = communicator
    self.tree = tree
    self.count = count
    self.bucketFloats = bucketFloats
    slotFloats = tree.stepCount == 0 ? 0 : min(bucketFloats, count)
    scratch = .allocate(capacity: Self.slots * slotFloats)
    scratch.initialize(repeating: 0, count: Self.slots * slotFloats)
    requests = .allocate(capacity: 2 * Self.slots)
    requests.initialize(repeating: lockstep_request_null(), count: 2 * Self.slots)
    try communicator.requireEqual(
      "\(tree.partCount) parts, \(count) floats, buckets of \(bucketFloats)")
  }

  deinit {
    scratch.deallocate()
    requests.deallocate()
  }

  /// Replaces `buffer` by its sum over the ranks; a collective call with the same count everywhere.
  ///
  /// An exchange that fails ends the job with code 70 and a message, for MPI may still write into
  /// the buffer.
  ///
  /// - Parameters:
  ///   - buffer: [count] floats, this rank's sum over ``ReductionTree/parts(of:)``; overwritten.
  ///   - count: at most the count of the initializer; 0 is allowed.
  ///   - add: adds a received range; must give IEEE single-precision sums.
  package func reduce(
    _ buffer: UnsafeMutablePointer<Float>, count: Int, add: Add = addElementwise
  ) {
    precondition((0...self.count).contains(count), "more floats than announced")
    bytesSent = 0
    guard tree.stepCount > 0 else { return }
    for pairStart in stride(from: 0, to: count, by: Self.slots * bucketFloats) {
      for index in 0...tree.stepCount {
        for slot in 0..<Self.slots {
          let start = pairStart + slot * bucketFloats
          let bucket = Bucket(
            slot: slot, base: buffer + start, count: min(bucketFloats, count - start))
          guard bucket.count > 0 else { break }
          // The other slot's step is under way while this one is waited for and added.
          if index > 0 { finish(step(index - 1, of: bucket), of: bucket, add: add) }
          if index < tree.stepCount { post(step(index, of: bucket), of: bucket) }
        }
      }
    }
  }
}

extension TreeAllReduce {
  /// A stretch of the buffer on its way through the tree.
  private struct Bucket {
    let slot: Int
    let base: UnsafeMutablePointer<Float>
    let count: Int
  }

  private func step(_ index: Int, of bucket: Bucket) -> ReductionTree.Step {
    tree.step(index, of: communicator.rank, count: bucket.count)
  }

  private func incoming(_ bucket: Bucket) -> UnsafeMutablePointer<Float> {
    scratch + bucket.slot * slotFloats
  }

  /// Starts a step. The slot is the tag: messages between two ranks match in order within a slot
  /// only.
  private func post(_ step: ReductionTree.Step, of bucket: Bucket) {
    if communicator.timeline != nil { starts[bucket.slot] = Timeline.now }
    let pending = requests + 2 * bucket.slot
    let (peer, tag) = (Int32(step.peer), Int32(bucket.slot))
    let world = lockstep_comm_world()
    if !step.receive.isEmpty {
      let target = step.adds ? incoming(bucket) : bucket.base + step.receive.lowerBound
      endJobUnlessSuccess("MPI_Irecv", step) {
        MPI_Irecv(
          target, Int32(step.receive.count), lockstep_float(), peer, tag, world, pending)
      }
    }
    if !step.send.isEmpty {
      endJobUnlessSuccess("MPI_Isend", step) {
        MPI_Isend(
          bucket.base + step.send.lowerBound, Int32(step.send.count), lockstep_float(), peer, tag,
          world, pending + 1)
      }
      bytesSent += step.send.count * MemoryLayout<Float>.stride
    }
  }

  /// Waits for a step and adds what came in.
  private func finish(_ step: ReductionTree.Step, of bucket: Bucket, add: Add) {
    communicator.endJobIfThrown { () throws(CollectiveError) in
      try communicator.wait(
        requests + 2 * bucket.slot, count: 2, for: .transfer, "the exchange with rank \(step.peer)")
    }
    communicator.worked()
    communicator.timeline?.record(
      step, from: starts[bucket.slot], on: .words(bucket.slot), bucket: -1)
    if step.adds, !step.receive.isEmpty {
      communicator.span(.reduce) {
        add(bucket.base + step.receive.lowerBound, incoming(bucket), step.receive.count)
      }
    }
  }

  private func endJobUnlessSuccess(
    _ call: String, _ step: ReductionTree.Step, _ body: () -> Int32
  ) {
    communicator.endJobIfThrown { () throws(CollectiveError) in
      try communicator.check(body(), "\(call) with rank \(step.peer)")
    }
  }
}

/// y[i] += x[i] for i in 0..<n, y and x apart.
package func addElementwise(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ n: Int
) {
  for i in 0..<n { y[i] += x[i] }
}
