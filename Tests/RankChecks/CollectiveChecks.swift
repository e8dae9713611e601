import Collectives

let elementCounts = [0, 1, 2, 3, 17, 1000, 1_000_003]

/// Every collective over every count with answers known beforehand, whole and in pieces.
func checkCollectives(_ communicator: Communicator, _: [String]) throws {
  try require(
    (Communicator.launcherSize ?? 1, Communicator.launcherRank ?? 0)
      == (communicator.size, communicator.rank), "the launcher's environment says otherwise")
  try require(
    communicator.localSize == communicator.size && communicator.localRank == communicator.rank,
    "all ranks are on this machine")
  try require(!communicator.host.isEmpty, "the host has no name")
  let wholeMessage = communicator.largestMessage
  for longest in [wholeMessage, 7] {
    communicator.largestMessage = longest
    for count in elementCounts where longest == wholeMessage || count <= 1000 {
      try checkBroadcast(communicator, count)
      try checkGatherAll(communicator, count)
      try checkNumberGather(communicator, count)
      try checkSumAll(communicator, count)
      try checkFloatSums(communicator, count)
    }
  }
  communicator.largestMessage = wholeMessage
  try checkErrorsReturn(communicator)
}

/// A root that does not exist is an error on every rank, not the end of the job.
private func checkErrorsReturn(_ communicator: Communicator) throws {
  do {
    _ = try communicator.broadcast([1], from: communicator.size)
  } catch {
    try require(
      error.place.hasPrefix("rank \(communicator.rank) on ")
        && error.found == "rank \(communicator.size)", "another message: \(error)")
    return
  }
  throw CheckFailed(description: "a broadcast from rank \(communicator.size) passed")
}

private func pattern(_ count: Int, from rank: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ rank &* 7) }
}

private func checkBroadcast(_ communicator: Communicator, _ count: Int) throws {
  for root in 0..<communicator.size {
    let expected = pattern(count, from: root)
    let own = communicator.rank == root ? expected : [1, 2, 3]
    let received = try communicator.broadcast(own, from: root)
    try require(received == expected, "broadcast of \(count) bytes from \(root)")
    var buffer = communicator.rank == root ? expected : [UInt8](repeating: 0, count: count)
    try buffer.withUnsafeMutableBytes { try communicator.broadcast($0, from: root) }
    try require(buffer == expected, "broadcast into a buffer of \(count) bytes from \(root)")
  }
}

private func checkGatherAll(_ communicator: Communicator, _ count: Int) throws {
  // Lengths that differ, the last rank's empty.
  let length = { (rank: Int) in rank == communicator.size - 1 ? 0 : count + rank }
  let expected = (0..<communicator.size).map { pattern(length($0), from: $0) }
  let gathered = try communicator.gatherAll(expected[communicator.rank])
  try require(gathered == expected, "gather of \(count) bytes and more")
}

/// Numbers gathered twice through the same buffers while another collective call goes on; counts that
/// differ, the last rank's none.
private func checkNumberGather(_ communicator: Communicator, _ count: Int) throws {
  let gather = NumberGather(communicator)
  let (rank, size) = (communicator.rank, communicator.size)
  for round in 1...2 {
    let counts = (0..<size).map { $0 == size - 1 ? 0 : count / round + $0 }
    let numbers = (0..<size).map { rank in
      (0..<counts[rank]).map { Int32($0 * round + rank * 7) - 3 }
    }
    try numbers[rank].withUnsafeBufferPointer { try gather.start($0, counts: counts) }
    _ = try communicator.sumAll([1])
    let gathered = Array(try gather.finish())
    try require(gathered == numbers.flatMap { $0 }, "gather of \(count) numbers and more")
  }
  do {
    let counts = [Int](repeating: 1, count: size)
    try [Int32(1), 2].withUnsafeBufferPointer { try gather.start($0, counts: counts) }
  } catch {
    let found = (error as? CollectiveError)?.found
    return try require(found == "2 on this rank", "another message: \(error)")
  }
  throw CheckFailed(description: "a count other than announced passed")
}

private func checkSumAll(_ communicator: Communicator, _ count: Int) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let integers = (0..<count).map { Double($0 % 1000 + rank) }
  let sums = try communicator.sumAll(integers)
  for i in 0..<count {
    let expected = Double(size * (i % 1000) + size * (size - 1) / 2)
    try require(sums[i] == expected, "sum \(i) of \(count): expected \(expected), got \(sums[i])")
  }
  // One contributor a slot: exact whatever the value.
  let single = (0..<count).map { $0 % size == rank ? 1 / Double($0 + 3) : 0 }
  let expected = (0..<count).map { 1 / Double($0 + 3) }
  try require(try communicator.sumAll(single) == expected, "sums with one contributor")
}

private func checkFloatSums(_ communicator: Communicator, _ count: Int) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  let own = (0..<count).map { Float($0 % 1000 + rank) }
  let expected = (0..<count).map { Float(size * ($0 % 1000) + size * (size - 1) / 2) }
  var values = own
  try values.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress else { return }
    try allReduceWithMPI(communicator, base, count: count)
  }
  try requireEqual(values, expected, "MPI's sum of \(count) floats")
  let tree = ReductionTree(parts: ReductionTree.defaultParts(ranks: size), ranks: size)
  for bucketFloats in [1 << 20, 1000, 1] where count / bucketFloats <= 1000 {
    let allReduce = try TreeAllReduce(
      communicator: communicator, tree: tree, count: count, bucketFloats: bucketFloats)
    values = treeSum(own, allReduce)
    try requireEqual(values, expected, "the tree's sum of \(count) floats by \(bucketFloats)")
    let bytesSent = try communicator.sumAll([Double(allReduce.bytesSent)])[0]
    // Halving and folding move R - 1 buffers, gathering and unfolding as many.
    try require(
      bytesSent == Double(2 * (size - 1) * count * 4), "\(bytesSent) bytes for \(count) floats")
  }
}

/// `own` summed over the ranks.
func treeSum(_ own: [Float], _ allReduce: TreeAllReduce) -> [Float] {
  // Room for one element at least, so that there is an address to pass.
  var values = own + [.nan]
  values.withUnsafeMutableBufferPointer { buffer in
    if let base = buffer.baseAddress { allReduce.reduce(base, count: own.count) }
  }
  return Array(values.dropLast())
}

/// A buffer over 2^31 bytes, which MPI cannot count in one message. The argument is its size in GB.
func checkBroadcastGigabytes(_ communicator: Communicator, _ arguments: [String]) throws {
  let count = Int((arguments.first.flatMap(Double.init) ?? 2.2) * 1e9)
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
  defer { buffer.deallocate() }
  let words = buffer.bindMemory(to: UInt64.self)
  let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
  for i in words.indices { words[i] = communicator.rank == 0 ? UInt64(i) &* factor : 0 }
  try communicator.broadcast(buffer, from: 0)
  for i in words.indices where words[i] != UInt64(i) &* factor {
    throw CheckFailed(description: "word \(i) of \(words.count) is wrong")
  }
}
