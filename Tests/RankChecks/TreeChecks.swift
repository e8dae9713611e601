import Collectives

/// The tree's bits over the ranks equal a serial sum of all parts in the same tree, with data whose
/// order of addition shows.
///
/// With the argument `expect-other-order`, MPI_Allreduce must give other bits: where MPI happens to
/// choose recursive doubling or Rabenseifner's algorithm it adds in this very tree, with a ring it
/// does not.
func checkTreeBits(_ communicator: Communicator, _ arguments: [String]) throws {
  let (rank, size) = (communicator.rank, communicator.size)
  var differences = 0
  for partCount in [8, 16] {
    let tree = ReductionTree(parts: partCount, ranks: size)
    for count in elementCounts {
      let expected = serialTreeSum(0..<partCount, count)
      let own = serialTreeSum(tree.parts(of: rank), count)
      for bucketFloats in [1 << 20, 999] {
        let allReduce = try TreeAllReduce(
          communicator: communicator, tree: tree, count: count, bucketFloats: bucketFloats)
        try requireEqual(
          treeSum(own, allReduce), expected,
          "\(partCount) parts, \(count) floats by \(bucketFloats)")
      }
      differences += try compareWithMPI(communicator, own, expected)
    }
    // Left to right, the sum has other bits: the data can tell an order.
    let inTree = serialTreeSum(0..<partCount, 1000)
    let inOrder = (1..<partCount).reduce(part(0, 1000)) { zip($0, part($1, 1000)).map(+) }
    try require(inTree != inOrder, "these data do not show the order of addition")
  }
  if arguments == ["expect-other-order"] {
    try require(differences > 0, "MPI_Allreduce gave the tree's bits throughout")
  }
  if rank == 0 { print("MPI_Allreduce differs from the tree in \(differences) elements") }
}

/// The wide random numbers of one part.
func part(_ index: Int, _ count: Int) -> [Float] {
  var random = SplitMix64(state: UInt64(index + 1) << 32)
  return (0..<count).map { _ in random.nextWideFloat() }
}

func serialTreeSum(_ parts: Range<Int>, _ count: Int) -> [Float] {
  if parts.count == 1 { return part(parts.lowerBound, count) }
  let middle = parts.lowerBound + parts.count / 2
  var sum = serialTreeSum(parts.lowerBound..<middle, count)
  let right = serialTreeSum(middle..<parts.upperBound, count)
  for i in sum.indices { sum[i] += right[i] }
  return sum
}

/// MPI_Allreduce gives the same sum within rounding.
///
/// - Returns: the number of elements whose bits differ.
private func compareWithMPI(
  _ communicator: Communicator, _ own: [Float], _ expected: [Float]
) throws -> Int {
  var values = own
  try values.withUnsafeMutableBufferPointer { buffer in
    guard let base = buffer.baseAddress else { return }
    try allReduceWithMPI(communicator, base, count: buffer.count)
  }
  // The sums stay below 2^24, where a rounding is at most 1/2; 15 additions in two orders.
  for i in values.indices where abs(values[i] - expected[i]) > 15 {
    throw CheckFailed(description: "MPI's sum \(i) is \(values[i]), the tree's \(expected[i])")
  }
  return values.indices.count { values[$0].bitPattern != expected[$0].bitPattern }
}

/// Ranks that do not agree on the count are told so, instead of waiting for each other.
func checkUnequalArguments(_ communicator: Communicator, _: [String]) throws {
  let tree = ReductionTree(parts: 8, ranks: communicator.size)
  let isOdd = communicator.rank == communicator.size - 1
  do {
    _ = try TreeAllReduce(communicator: communicator, tree: tree, count: isOdd ? 11 : 10)
  } catch {
    try require(
      error.place == "rank \(communicator.size - 1)" && error.found.contains("11 floats"),
      "another message: \(error)")
    return
  }
  throw CheckFailed(description: "unequal counts passed")
}
