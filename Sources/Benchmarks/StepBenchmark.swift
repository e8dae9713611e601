import Collectives
import Foundation
import Kernels
import Shards
import Training

/// Times the trainer's own step over all ranks.
///
/// It takes the steps that a training run would take first: the same batches, dropout, exchange,
/// clipping and update, at a constant learning rate, without evaluations and checkpoints.
package final class StepBenchmark {
  package struct Options: Sendable {
    package var model: String
    /// Shards; nil for `TweetLikeRows`.
    package var train: String?
    package var batchSize = 8
    package var microBatches: Int?
    package var exchange = TrainingOptions.Exchange.tree
    /// Timed steps, and steps before them.
    package var steps = 20
    package var warmup = 3
    package var threads: Int?
    package var seed: UInt64 = 42

    package init(model: String) { self.model = model }
  }

  private let options: Options
  private let communicator: Communicator
  private let model: BenchmarkModel
  private let data: ShardFolder
  private let trajectory: Trajectory
  private let replica: Replica
  private let step: TrainingStep
  /// Holds the rows that were made up.
  private let scratch: ScratchFolder?
  /// Batches that were timed.
  private var timed: [[Int]] = []

  /// Steps that are done twice, from the same weights, before anything is timed.
  private static let repeatedSteps = 2
  private static let learningRate = 2e-5

  /// A collective call, which fails on all ranks or on none.
  package init(_ options: Options, _ communicator: Communicator) throws {
    self.options = options
    self.communicator = communicator
    (model, data, scratch, trajectory) = try communicator.agree {
      var training = TrainingOptions(
        model: options.model, train: options.train ?? "made up", validation: "", output: "")
      training.batchSize = options.batchSize
      training.microBatches = options.microBatches
      training.threads = options.threads
      training.seed = options.seed
      training.exchange = options.exchange
      try training.validate()
      var model = try BenchmarkModel(options.model)
      let (data, scratch) = try Self.openRows(options, model)
      model.configuration.labelNames = data.labelNames
      var trajectory = Trajectory(
        training, ranks: communicator.size, trainSHA256: data.manifestSHA256,
        vocabularySHA256: nil)
      _ = trajectory.raiseMicroBatches(toRanks: communicator.size)
      return (model, data, scratch, trajectory)
    }
    let node = try Replica.shareMemory(
      model.configuration, communicator, exchange: trajectory.exchange)
    replica = Replica(
      model.configuration,
      threads: options.threads ?? defaultThreads(localRanks: communicator.localSize),
      updatesAll: Replica.updatesAll(communicator, exchange: trajectory.exchange), node: node)
    step = try TrainingStep(
      data, replica, trajectory, communicator, node: node, overlap: .auto)
  }

  /// - Throws: `BenchmarkError` where the same steps give other bits the second time, `TrainingError`
  ///   where a loss is not finite or ranks differ.
  package func run() throws -> StepResult {
    let digest = try takeRepeatedSteps()
    for _ in 0..<options.warmup { _ = try takeStep() }
    var peak = PeakMemory.bytes
    let before = try MachineCeilings(replica.pool, communicator)
    let countsAnew = PeakMemory.reset()  // Or else the buffers just used would count.
    step.phases.reset()
    var outcomes: [TrainingStep.Outcome] = []
    var seconds: [Double] = []
    for _ in 0..<options.steps {
      // Before the clock runs: the trainer shuffles once an epoch.
      let rows = rows(ofStep: stepsTaken + 1)
      seconds.append(try secondsOf { outcomes.append(try takeStep(rows)) })
      timed.append(rows)
    }
    if countsAnew { peak = max(peak, PeakMemory.bytes) }
    let after = try MachineCeilings(replica.pool, communicator)
    return try result(
      seconds, outcomes, digest: digest, peak: peak, ceilings: (before, after))
  }

  private var stepsTaken = 0

  private func takeStep() throws -> TrainingStep.Outcome {
    try takeStep(rows(ofStep: stepsTaken + 1))
  }

  private func takeStep(_ rows: [Int]) throws -> TrainingStep.Outcome {
    stepsTaken += 1
    return try step.take(
      rows, step: stepsTaken, epoch: epoch(ofStep: stepsTaken), learningRate: Self.learningRate,
      stopRequested: false,
      parametersWillChange: {})
  }

  private func epoch(ofStep step: Int) -> Int {
    (step - 1) / (data.rows / min(trajectory.batchSize, data.rows))
  }

  /// The global batch of a step from 1: the batches of whole epochs follow each other, and a last one
  /// that is smaller is left out.
  private func rows(ofStep step: Int) -> [Int] {
    let size = min(trajectory.batchSize, data.rows)
    let (epoch, batch) = (step - 1).quotientAndRemainder(dividingBy: data.rows / size)
    let order = EpochOrder(seed: trajectory.seed, epoch: epoch, rows: data.rows)
    return order[batch * size..<(batch + 1) * size]
  }

  /// - Returns: The digest of the parameters afterwards, the same on all ranks.
  private func takeRepeatedSteps() throws -> UInt64 {
    var digests: [UInt64] = []
    for _ in 0..<2 {
      try reset()
      for _ in 0..<Self.repeatedSteps { _ = try takeStep() }
      digests.append(Digest.of(replica.parameters.base, count: replica.count, replica.pool))
    }
    try requireEqualReplicas(
      replica.model.layout, replica.parameters, step: stepsTaken, replica.pool, communicator)
    try communicator.agree {
      guard digests[0] != digests[1] else { return }
      throw BenchmarkError(
        place: "parameters after step \(stepsTaken) on rank \(communicator.rank)",
        expected: "the bits of the first time, \(digests[0])", found: "\(digests[1])",
        remedy: "test this machine: the same steps must give the same bits")
    }
    return digests[1]
  }

  /// Everything as before the first step.
  private func reset() throws {
    // Neighbours on the node may still be copying this rank's parameters.
    _ = try communicator.sumAll([0])
    try communicator.agree {
      try model.load(
        replica.model, into: replica.parameters.base, seed: trajectory.seed, replica.pool)
    }
    for moments in [replica.expAvg, replica.expAvgSq] {
      moments.base.update(repeating: 0, count: moments.count)
    }
    stepsTaken = 0
  }

  private static func openRows(
    _ options: Options, _ model: BenchmarkModel
  ) throws -> (ShardFolder, ScratchFolder?) {
    if let train = options.train { return (try ShardFolder(path: train), nil) }
    let scratch = try ScratchFolder()
    let path = scratch.path + "/rows"
    try TweetLikeRows(
      seed: options.seed, vocabularySize: model.configuration.vocabularySize,
      maxLength: model.configuration.maxPositions
    ).write(rows: max(1024, 4 * options.batchSize), to: path)
    return (try ShardFolder(path: path), scratch)
  }
}

extension StepBenchmark {
  private func result(
    _ seconds: [Double], _ outcomes: [TrainingStep.Outcome], digest: UInt64, peak: Int,
    ceilings: (before: MachineCeilings, after: MachineCeilings)
  ) throws -> StepResult {
    let times = Timings(seconds)
    let tokens = outcomes.reduce(0) { $0 + $1.tokensByRank.reduce(0, +) }
    let floors = try timed.map { rows in
      let batch = try data.read(rows)
      return StepFloor(
        model.configuration, lengths: try data.lengths(of: rows),
        distinctTokens: Set(batch.inputIDs).count)
    }
    let ceiling = MachineCeilings.mean(ceilings.before, ceilings.after)
    func mean(_ value: (StepFloor) -> Double) -> Double {
      floors.map(value).reduce(0, +) / Double(floors.count)
    }
    let phases = try communicator.sumAll(
      PhaseTimes.Phase.allCases.map { step.phases.times[$0] } + [Double(step.bytesSent)])
    let scale = 1000 / Double(communicator.size * timed.count)
    let peaks = try communicator.gatherNumbers(peak)
    let operations = mean(\.floatingPointOperations)
    let floor = mean { $0.seconds(ceiling) }
    let bestFloor = mean { $0.seconds(ceiling.atBest) }
    let (ranks, bytes) = (communicator.size, 4 * replica.count)
    return StepResult(
      model: model.name, parameters: replica.count, data: options.train ?? "synthetic",
      ranks: ranks, threads: replica.pool.threads, batchSize: trajectory.batchSize,
      microBatches: trajectory.microBatches, seed: trajectory.seed, steps: timed.count,
      warmup: options.warmup, millisecondsPerStep: 1000 * times.median,
      meanMilliseconds: 1000 * times.mean, bestMilliseconds: 1000 * times.best,
      tenthPercentile: 1000 * times.percentile(10),
      ninetiethPercentile: 1000 * times.percentile(90),
      tokensPerSecond: Double(tokens) / seconds.reduce(0, +),
      tokensPerStep: Double(tokens) / Double(timed.count),
      touchedParameters: mean(\.touchedParameters),
      gigaOperationsPerStep: operations / 1e9, gflops: operations / 1e9 / times.median,
      phases: StepResult.Phases(
        data: phases[0] * scale, forward: phases[1] * scale, backward: phases[2] * scale,
        exchange: phases[3] * scale, optimizer: phases[4] * scale),
      ceilings: ceiling, ceilingsBefore: ceilings.before, ceilingsAfter: ceilings.after,
      floorMilliseconds: 1000 * floor, fraction: floor / times.median,
      bestFloorMilliseconds: 1000 * bestFloor, bestFraction: bestFloor / times.best,
      peakMegabytes: Double(peaks.max() ?? 0) / 1e6,
      peakMegabytesByRank: peaks.map { Double($0) / 1e6 },
      bytesSent: phases[5] / Double(ranks), denseBytes: 2 * Double(bytes * (ranks - 1) / ranks),
      firstLoss: outcomes[0].loss, lastLoss: outcomes[outcomes.count - 1].loss,
      digest: String(format: "%016llx", digest), coreType: coreType())
  }
}
