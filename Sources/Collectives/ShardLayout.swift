/// Which ranges of a buffer each rank sums, updates and hands to the others.
///
/// The buffer is cut into buckets, and each bucket among the ranks by the halvings of the
/// ``ReductionTree``. All boundaries are multiples of a block, so that what is summed up block by
/// block, such as the squares of a norm, has the same blocks on any number of ranks.
package struct ShardLayout: Sendable, Equatable {
  /// Floats in the buffer.
  package let count: Int
  /// Floats in a block; the buffer's last one may be shorter.
  package let block: Int
  /// Floats in a bucket, a multiple of the block; the buffer's last one may be shorter.
  package let bucketFloats: Int
  let tree: ReductionTree

  /// - Parameters:
  ///   - bucketFloats: at most 2^30; rounded up to whole blocks.
  init(tree: ReductionTree, count: Int, block: Int, bucketFloats: Int) {
    precondition(count >= 0 && block > 0, "sizes out of range")
    precondition((1...(1 << 30)).contains(bucketFloats), "buckets have 1 to 2^30 floats")
    self.tree = tree
    self.count = count
    self.block = block
    self.bucketFloats = (bucketFloats + block - 1) / block * block
  }

  package var blockCount: Int { (count + block - 1) / block }
  package var bucketCount: Int { (count + bucketFloats - 1) / bucketFloats }

  /// Buckets are numbered from the buffer's end, where a backward pass is done first.
  func bucket(_ index: Int) -> Range<Int> {
    let start = (bucketCount - 1 - index) * bucketFloats
    return start..<min(start + bucketFloats, count)
  }

  /// What `rank` owns of a bucket: perhaps nothing.
  func owned(by rank: Int, bucket index: Int) -> Range<Int> {
    let bucket = bucket(index)
    let own = tree.owned(by: rank, count: bucket.count, block: block)
    return own.shifted(by: bucket.lowerBound)
  }

  /// All that `rank` owns, in order, neighbours joined; on a single rank the buffer as a whole.
  package func owned(by rank: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for index in (0..<bucketCount).reversed() {
      let range = owned(by: rank, bucket: index)
      guard !range.isEmpty else { continue }
      if let last = ranges.last, last.upperBound == range.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
      } else {
        ranges.append(range)
      }
    }
    return ranges
  }

  /// What `rank` sums over 2^`halvings` neighbours, whose other ranges they sum.
  func halved(by halvings: Int, of rank: Int, bucket index: Int) -> Range<Int> {
    let bucket = bucket(index)
    return tree.halved(by: halvings, of: rank, count: bucket.count, block: block)
      .shifted(by: bucket.lowerBound)
  }

  /// A step of a rank's exchange over a bucket, its ranges in the whole buffer.
  func step(_ index: Int, of rank: Int, bucket number: Int) -> ReductionTree.Step {
    let bucket = bucket(number)
    let step = tree.step(index, of: rank, count: bucket.count, block: block)
    return ReductionTree.Step(
      peer: step.peer, send: step.send.shifted(by: bucket.lowerBound),
      receive: step.receive.shifted(by: bucket.lowerBound), adds: step.adds)
  }
}

extension Range<Int> {
  fileprivate func shifted(by distance: Int) -> Range<Int> {
    lowerBound + distance..<upperBound + distance
  }
}
