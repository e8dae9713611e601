import Collectives

/// Times the tree against MPI_Allreduce, call by call in turn, and prints the medians on rank 0.
/// The arguments are megabytes (91: the gradients of MiniLM-L6), rounds and bucket sizes in floats.
func timeAllReduce(_ communicator: Communicator, _ arguments: [String]) throws {
  let numbers = arguments.compactMap { Int($0) }
  let count = (numbers.first ?? 91) * 1_000_000 / MemoryLayout<Float>.stride
  let rounds = numbers.count > 1 ? numbers[1] : 11
  let bucketSizes = numbers.count > 2 ? Array(numbers[2...]) : [1 << 18, 1 << 20, 1 << 21]
  let buffer = UnsafeMutablePointer<Float>.allocate(capacity: count)
  defer { buffer.deallocate() }
  let tree = ReductionTree(
    parts: ReductionTree.defaultParts(ranks: communicator.size), ranks: communicator.size)
  let reductions = try bucketSizes.map {
    try TreeAllReduce(communicator: communicator, tree: tree, count: count, bucketFloats: $0)
  }
  var methods: [(name: String, run: () throws -> Void)] = [
    ("MPI_Allreduce", { try allReduceWithMPI(communicator, buffer, count: count) })
  ]
  for (size, allReduce) in zip(bucketSizes, reductions) {
    methods.append(("tree, \(size) floats", { allReduce.reduce(buffer, count: count) }))
  }
  var times = [[Double]](repeating: [], count: methods.count)
  for _ in 0..<rounds {
    for (index, method) in methods.enumerated() {
      buffer.update(repeating: Float(communicator.rank + 1), count: count)
      _ = try communicator.sumAll([0])
      let start = wallSeconds()
      try method.run()
      _ = try communicator.sumAll([0])
      times[index].append(wallSeconds() - start)
      let sum = Float(communicator.size * (communicator.size + 1) / 2)
      for i in 0..<count where buffer[i] != sum {
        throw CheckFailed(description: "\(method.name): element \(i) is \(buffer[i]), not \(sum)")
      }
    }
  }
  guard communicator.rank == 0 else { return }
  for (method, samples) in zip(methods, times) {
    let sorted = samples.sorted()
    let milliseconds = { (seconds: Double) in (seconds * 10000).rounded() / 10 }
    let (median, best) = (milliseconds(sorted[rounds / 2]), milliseconds(sorted[0]))
    print("\(method.name): median \(median) ms, best \(best) ms")
  }
}
