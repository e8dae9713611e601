// The part of a sharded exchange that goes through a node's memory. The ranks of a node are neighbours
// in the tree: its first halvings are among them. Instead of a message a level, each rank reads its
// range of all neighbours' gradients at once and adds them in the tree's order; the levels between
// nodes follow with messages. On the way back each copies what its neighbours have.
//
// A rank overwrites its gradients only after its neighbours' parameters have come, and so after they
// have read its gradients; and it updates its parameters only after all ranks have met, which they do
// after they have copied those of the step before.
extension ShardedExchange {
  /// Has each bucket begin with the sum over the node, once all neighbours have it.
  func beginNodePass(
    _ node: NodeMemory, _ place: NodeMemory.Place, _ actions: inout BucketPipeline.Actions
  ) {
    node.passes += 1
    let buffers = (0..<node.localSize).map { node.address(place, of: $0) }
    actions.mayStart = { [self] bucket in
      layout.bucket(bucket).lowerBound >= readyFrom
        && node.haveAll(.ready, node.count(ofBuckets: bucket + 1))
    }
    actions.start = { [self] bucket in
      let range = layout.halved(by: node.levels, of: communicator.rank, bucket: bucket)
      communicator.span(.reduce, number: bucket) {
        arithmetic.treeSum(
          buffers[node.localRank] + range.lowerBound,
          buffers.map { UnsafePointer($0 + range.lowerBound) }, range.count)
      }
    }
  }

  /// Lets the neighbours read what is ready of this rank's gradients.
  func raiseReady(_ node: NodeMemory) {
    // Buckets are numbered from the end.
    let unready = (readyFrom + layout.bucketFloats - 1) / layout.bucketFloats
    node.raise(.ready, to: node.count(ofBuckets: layout.bucketCount - unready))
  }

  /// ``allGather(_:prepare:)`` of a buffer in the node's memory.
  func gather(
    _ buffer: UnsafeMutablePointer<Float>, over node: NodeMemory, _ place: NodeMemory.Place,
    prepare: @escaping (Range<Int>) -> Void
  ) throws(CollectiveError) {
    var actions = BucketPipeline.Actions()
    actions.start = { [self] bucket in
      communicator.span(.update, number: bucket) { prepare(owned(of: bucket)) }
    }
    var arrived = 0
    // Buckets may overtake each other between nodes; the flag counts the first ones that are all here.
    var isHere = [Bool](repeating: false, count: layout.bucketCount + 1)
    actions.end = { bucket in
      isHere[bucket] = true
      while isHere[arrived] { arrived += 1 }
      node.raise(.updated, to: node.count(ofBuckets: arrived))
    }
    pipeline.begin(buffer, layout.tree.gatherSteps.dropLast(node.levels), actions)
    var copied = 0
    while copied < layout.bucketCount || !pipeline.isDone {
      try communicator.wait(for: .transfer) { () throws(CollectiveError) in
        var hasMoved = try pipeline.advance()
        while copied < layout.bucketCount, node.haveAll(.updated, node.count(ofBuckets: copied + 1))
        {
          communicator.span(.copy, number: copied) { copy(bucket: copied, of: node, place) }
          copied += 1
          hasMoved = true
        }
        return hasMoved
      }
    }
    pipeline.end()
  }

  /// Copies from each neighbour what it has of a bucket.
  private func copy(bucket: Int, of node: NodeMemory, _ place: NodeMemory.Place) {
    let first = communicator.rank - node.localRank
    for neighbour in node.neighbours {
      let range = layout.halved(by: node.levels, of: first + neighbour, bucket: bucket)
      (node.address(place, of: node.localRank) + range.lowerBound)
        .update(from: node.address(place, of: neighbour) + range.lowerBound, count: range.count)
    }
    communicator.worked()
  }
}

extension NodeMemory {
  /// The tree's levels within the node.
  var levels: Int { localSize.trailingZeroBitCount }

  /// What a flag says when so many buckets of this pass are done.
  func count(ofBuckets buckets: Int) -> UInt64 { passes << 32 | UInt64(buckets) }

  /// Whether all neighbours have come so far.
  func haveAll(_ flag: Flag, _ value: UInt64) -> Bool {
    neighbours.allSatisfy { self.value(flag, of: $0) >= value }
  }
}
