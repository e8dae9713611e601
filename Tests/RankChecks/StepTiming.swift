import Collectives
import Kernels

/// Times what follows the backward pass of a training step: sums, norm, update. A sum of everything and
/// an update of everything on every rank against the sharded step, in turn; prints the medians and the
/// best on rank 0. The arguments are megabytes of gradients (44: MiniLM-L6 but for its word
/// embeddings) and rounds.
func timeStep(_ communicator: Communicator, _ arguments: [String]) throws {
  let numbers = arguments.compactMap { Int($0) }
  let count = (numbers.first ?? 44) * 1_000_000 / MemoryLayout<Float>.stride
  let rounds = numbers.count > 1 ? numbers[1] : 21
  let tree = ReductionTree(
    parts: ReductionTree.defaultParts(ranks: communicator.size), ranks: communicator.size)
  let methods: [any TimedStep] = [
    try WholeStep(communicator, tree, count), try ShardedStep(communicator, tree, count),
    try NodeStep(communicator, tree, count),
  ]
  var times = [[Double]](repeating: [], count: methods.count)
  for step in 1...rounds {
    for (index, method) in methods.enumerated() {
      method.state.setGradient(step, rank: communicator.rank)
      _ = try communicator.sumAll([0])
      let start = wallSeconds()
      try method.take(step)
      _ = try communicator.sumAll([0])
      times[index].append(wallSeconds() - start)
    }
    for method in methods {
      let (found, expected) = (method.state.parameters, methods[0].state.parameters)
      for i in 0..<count where found.base[i].bitPattern != expected.base[i].bitPattern {
        throw CheckFailed(
          description: "\(type(of: method)): parameter \(i) is \(found.base[i]) after step "
            + "\(step), not \(expected.base[i])")
      }
    }
  }
  guard communicator.rank == 0 else { return }
  for (method, samples) in zip(methods, times) {
    let sorted = samples.sorted()
    let milliseconds = { (seconds: Double) in (seconds * 10000).rounded() / 10 }
    let (median, best) = (milliseconds(sorted[rounds / 2]), milliseconds(sorted[0]))
    print("\(type(of: method)): median \(median) ms, best \(best) ms")
  }
}

/// Gradients, parameters and moments of one method.
private final class StepState {
  let count: Int
  let gradient: Arena
  let parameters: Arena
  let mean: Arena
  let square: Arena
  let pool = ThreadPool(threads: 1)

  init(count: Int, pages: Arena.Pages, node: NodeMemory? = nil) {
    self.count = count
    let arena = { (region: Int) in
      node.map { Arena(base: $0.buffer(region), count: count, in: $0) } ?? Arena(count: count)
    }
    gradient = arena(0)
    parameters = arena(1)
    mean = Arena(count: count, pages: pages)
    square = Arena(count: count, pages: pages)
  }

  func setGradient(_ step: Int, rank: Int) {
    for i in 0..<count {
      gradient.base[i] = Float((i &* 7 &+ step &* 31 &+ rank &* 17) & 1023) / 511 - 1
    }
  }

  func update(_ range: Range<Int>, step: Int, norm: Double) {
    let start = range.lowerBound
    AdamW().update(
      parameters.base + start, mean.base + start, square.base + start, gradient.base + start,
      count: range.count, step: step, learningRate: 1e-3, weightDecay: 0.01,
      gradientScale: Float(1 / norm), pool)
  }
}

private protocol TimedStep {
  var state: StepState { get }
  func take(_ step: Int) throws
}

private struct WholeStep: TimedStep {
  let state: StepState
  private let allReduce: TreeAllReduce

  init(_ communicator: Communicator, _ tree: ReductionTree, _ count: Int) throws {
    state = StepState(count: count, pages: .huge)
    allReduce = try TreeAllReduce(communicator: communicator, tree: tree, count: count)
  }

  func take(_ step: Int) {
    allReduce.reduce(state.gradient.base, count: state.count) { y, x, count in
      Reduction.add(y, x, count: count, state.pool)
    }
    var sums = [Double](repeating: 0, count: state.count / Reduction.squareBlock + 1)
    Reduction.squareSums(&sums, state.gradient.base, count: state.count, state.pool)
    state.update(0..<state.count, step: step, norm: sums.reduce(0, +).squareRoot())
  }
}

/// With messages between the ranks.
private struct ShardedStep: TimedStep {
  let state: StepState
  private let communicator: Communicator
  private let exchange: ShardedExchange

  init(
    _ communicator: Communicator, _ tree: ReductionTree, _ count: Int, node: NodeMemory? = nil
  ) throws {
    self.communicator = communicator
    let state = StepState(
      count: count, pages: communicator.size == 1 ? .huge : .small, node: node)
    self.state = state
    exchange = try ShardedExchange(
      communicator: communicator, tree: tree, count: count, block: Reduction.squareBlock,
      node: node,
      arithmetic: .init(
        add: { Reduction.add($0, $1, count: $2, state.pool) },
        treeSum: { Reduction.treeSum($0, $1, count: $2, state.pool) }))
  }

  func take(_ step: Int) throws {
    let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: exchange.layout.blockCount)
    defer { sums.deallocate() }
    sums.initialize(repeating: 0)
    exchange.reduceScatter(state.gradient.base) { [state] range in
      Reduction.squareSums(
        sums.baseAddress! + range.lowerBound / Reduction.squareBlock,
        state.gradient.base + range.lowerBound, count: range.count, state.pool)
    }
    let norm = try communicator.sumAll(Array(sums)).reduce(0, +).squareRoot()
    exchange.allGather(state.parameters.base) { [state] in
      state.update($0, step: step, norm: norm)
    }
  }
}

/// Through the node's memory.
private struct NodeStep: TimedStep {
  private let step: ShardedStep
  var state: StepState { step.state }

  init(_ communicator: Communicator, _ tree: ReductionTree, _ count: Int) throws {
    let node = try NodeMemory.share([count, count], communicator)
    if node == nil, communicator.rank == 0 { print("NodeStep goes by messages") }
    step = try ShardedStep(communicator, tree, count, node: node)
  }

  func take(_ step: Int) throws { try self.step.take(step) }
}
