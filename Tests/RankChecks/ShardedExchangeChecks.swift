import Collectives
import Glibc

/// The sharded exchange against a serial sum of all parts in the tree, a norm over serial blocks and
/// an update of everything, in sizes around those of blocks and buckets; then the ways to and from
/// rank 0. With messages, and through the node's memory where the ranks can share it.
func checkShardedExchange(_ communicator: Communicator, _: [String]) throws {
  let (size, tree) = (communicator.size, ReductionTree(parts: 8, ranks: communicator.size))
  for count in elementCounts + [4096, 4097, 8191] {
    let sum = serialTreeSum(0..<8, count)
    let sharing = try nodes(communicator, count + 1)
    for (block, bucket) in [(4, 64), (4096, 1 << 20), (4096, 4096), (1000, 3000)]
    where count / bucket < 1000 {
      // Twice each: nothing of the first pass may be left.
      let passes = [nil, nil] + sharing.flatMap { [$0, $0] }
      for (pass, node) in passes.enumerated() {
        let exchange = try ShardedExchange(
          communicator: communicator, tree: tree, count: count, block: block, bucketFloats: bucket,
          node: node)
        let what =
          "\(count) floats, blocks of \(block), buckets of \(bucket), "
          + "\(node?.localSize ?? 1) ranks a node, pass \(pass)"
        try checkPass(
          communicator, exchange, node, tree, sum, overlaps: !pass.isMultiple(of: 2), what)
        let bytes = try communicator.sumAll([Double(exchange.bytesSent)])[0]
        let speakers = size / (node?.localSize ?? 1)
        try require(
          bytes == Double(2 * (speakers - 1) * count * 4), "\(bytes) bytes for \(what)")
        guard pass == 0 else { continue }
        try checkOwners(communicator, exchange, what)
        try checkMovesToAndFromRoot(communicator, exchange, what)
      }
    }
  }
}

/// Buckets of some ranks are on their way while all ranks sum something else: neither gets the other's
/// messages.
func checkExchangeBesideSum(_ communicator: Communicator, _: [String]) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let tree = ReductionTree(parts: 8, ranks: size)
  let (count, otherCount) = (100_000, 3_000)
  let exchange = try ShardedExchange(
    communicator: communicator, tree: tree, count: count, block: 4, bucketFloats: 8192)
  let other = try TreeAllReduce(communicator: communicator, tree: tree, count: otherCount)
  // Integers: every order of addition gives the same.
  let total = Float(size * (size + 1) / 2)
  for early in 0..<size {
    let buffer = UnsafeMutablePointer<Float>.allocate(capacity: count)
    let words = UnsafeMutablePointer<Float>.allocate(capacity: otherCount)
    defer {
      buffer.deallocate()
      words.deallocate()
    }
    for i in 0..<count { buffer[i] = Float((rank + 1) * (i % 5 + 1)) }
    for i in 0..<otherCount { words[i] = Float((rank + 1) * (i % 3 + 100)) }
    exchange.begin(buffer)
    if rank == early { exchange.ready(from: 40_000) }
    other.reduce(words, count: otherCount)
    exchange.finish()
    for i in 0..<otherCount {
      try require(words[i] == total * Float(i % 3 + 100), "float \(i) of the other sum")
    }
    for range in exchange.owned {
      for i in range { try require(buffer[i] == total * Float(i % 5 + 1), "float \(i)") }
    }
  }
}

/// Shared memory of all ranks and of every smaller group of neighbours, as if they were nodes.
private func nodes(_ communicator: Communicator, _ count: Int) throws -> [NodeMemory?] {
  let size = communicator.size
  guard size > 1, size.nonzeroBitCount == 1 else {
    try require(
      try NodeMemory.share([count, count], communicator) == nil, "\(size) ranks share memory")
    return []
  }
  return try (1...size.trailingZeroBitCount).map { levels in
    let groupSize = 1 << levels == size ? nil : 1 << levels
    let node = try NodeMemory.share([count, count], communicator, groupSize: groupSize)
    try require(node != nil, "\(1 << levels) ranks share no memory")
    return node
  }
}

/// Where one rank cannot make a file, none has shared memory, and afterwards all can again.
func checkRefusedSharing(_ communicator: Communicator, _: [String]) throws {
  let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  var limits = rlimit()
  getrlimit(files, &limits)
  for refuser in 0..<communicator.size {
    var none = rlimit(rlim_cur: 0, rlim_max: limits.rlim_max)
    if communicator.rank == refuser { setrlimit(files, &none) }
    let refused = try NodeMemory.share([1000], communicator)
    setrlimit(files, &limits)
    try require(refused == nil, "shared memory although rank \(refuser) has none")
    let shared = try NodeMemory.share([1000], communicator)
    try require(shared?.buffer(0)[999] == 0, "no shared memory after the refusal")
  }
}

/// Every element and every block has one owner.
private func checkOwners(
  _ communicator: Communicator, _ exchange: ShardedExchange, _ what: String
) throws {
  let layout = exchange.layout
  let ranges = (0..<communicator.size).flatMap { layout.owned(by: $0) }
    .sorted { $0.lowerBound < $1.lowerBound }
  try require(exchange.owned == layout.owned(by: communicator.rank), "other ranges: \(what)")
  try require(ranges.flatMap { Array($0) } == Array(0..<layout.count), "no partition: \(what)")
  for range in ranges {
    try require(range.lowerBound.isMultiple(of: layout.block), "\(range) cuts a block: \(what)")
  }
}

private func squares(_ values: [Float], _ block: Range<Int>) -> Double {
  values[block].reduce(0) { $0 + Double($1) * Double($1) }
}

private func checkPass(
  _ communicator: Communicator, _ exchange: ShardedExchange, _ node: NodeMemory?,
  _ tree: ReductionTree, _ sum: [Float], overlaps: Bool, _ what: String
) throws {
  let layout = exchange.layout
  let blocks = (0..<layout.blockCount).map { index in
    index * layout.block..<min((index + 1) * layout.block, layout.count)
  }
  // One more float, to see that nothing is written there.
  let alone = UnsafeMutablePointer<Float>.allocate(capacity: 2 * (layout.count + 1))
  defer { alone.deallocate() }
  let gradient = node?.buffer(0) ?? alone
  let parameters = node?.buffer(1) ?? alone + layout.count + 1
  let own = serialTreeSum(tree.parts(of: communicator.rank), layout.count)
  for index in 0...layout.count {
    gradient[index] = index < layout.count ? own[index] : -1
    parameters[index] = index < layout.count ? .nan : -1
  }
  let norms = UnsafeMutablePointer<Double>.allocate(capacity: layout.blockCount)
  norms.initialize(repeating: 0, count: layout.blockCount)
  defer { norms.deallocate() }
  let sumSquares = { (range: Range<Int>) in
    for (index, block) in blocks.enumerated() where range.overlaps(block) {
      norms[index] += block.reduce(0) { $0 + Double(gradient[$1]) * Double(gradient[$1]) }
    }
  }
  if overlaps {
    // As a backward pass does, from the end, each rank at its own pace.
    exchange.begin(gradient, summed: sumSquares)
    var index = layout.count
    while index > 0 {
      index -= min(index, max(1, layout.count / (5 + communicator.rank)))
      exchange.ready(from: index)
      exchange.progress()
    }
    exchange.finish()
  } else {
    exchange.reduceScatter(gradient, summed: sumSquares)
  }
  for range in exchange.owned {
    try requireEqual(
      range.map { gradient[$0] }, Array(sum[range]), "sums of \(range) of \(what)")
  }
  try require(gradient[layout.count] == -1, "written past the end: \(what)")
  let all = try communicator.sumAll((0..<layout.blockCount).map { norms[$0] })
  try require(all == blocks.map { squares(sum, $0) }, "squares of \(what)")

  exchange.allGather(parameters) { range in
    for index in range { parameters[index] = sum[index] * 3 }
  }
  try requireEqual(
    (0...layout.count).map { parameters[$0] }, sum.map { $0 * 3 } + [-1], "parameters of \(what)")
  // The neighbours may still be copying what the next pass overwrites.
  try meet(communicator)
}

private func checkMovesToAndFromRoot(
  _ communicator: Communicator, _ exchange: ShardedExchange, _ what: String
) throws {
  let count = exchange.layout.count
  let isRoot = communicator.rank == 0
  let whole = (0..<count).map { Float($0) / 3 } + [-1]
  var own = [Float](repeating: 7, count: count) + [-1]
  for range in exchange.owned { own.replaceSubrange(range, with: whole[range]) }
  var moved = own
  try moved.withUnsafeMutableBufferPointer { try exchange.gatherToRoot($0.baseAddress!) }
  try requireEqual(moved, isRoot ? whole : own, "moved to rank 0: \(what)")
  moved = isRoot ? whole : [Float](repeating: 7, count: count) + [-1]
  try moved.withUnsafeMutableBufferPointer { try exchange.scatterFromRoot($0.baseAddress!) }
  try requireEqual(moved, isRoot ? whole : own, "moved from rank 0: \(what)")
}
