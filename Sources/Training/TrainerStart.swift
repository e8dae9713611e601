import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Shards

// What comes before the first step.
extension Trainer {
  static func initialState(
    _ setup: TrainingSetup, _ options: TrainingOptions, _ communicator: Communicator,
    threads: Int, stepsPerEpoch: Int
  ) -> TrainerState {
    let epochs = options.epochs ?? setup.resumed?.numTrainEpochs ?? 5
    // A number of epochs given now stands above a number of steps given then.
    let requestedSteps =
      options.maxSteps ?? (options.epochs == nil ? setup.resumed?.requestedMaxSteps : nil)
    let total = requestedSteps ?? epochs * stepsPerEpoch
    var state =
      setup.resumed
      ?? TrainerState(
        globalStep: 0, epoch: 0, maxSteps: total, numTrainEpochs: epochs,
        trainBatchSize: setup.trajectory.batchSize, cursor: .init(epoch: 0, step: 0),
        trajectory: setup.trajectory,
        bestMetricName: options.metric ?? setup.configuration.task.defaultMetric,
        evaluationsWithoutImprovement: 0, lossSum: 0, lossSteps: 0, metricsBytes: 0,
        requestedMaxSteps: requestedSteps, isEvaluationPending: false, isFinished: false,
        worldSize: communicator.size, threads: threads, coreType: coreType())
    state.baseModel = state.baseModel ?? setup.baseModel
    // Early stopping is judged anew: more patience than before goes on.
    state.isFinished = options.patience.map { state.evaluationsWithoutImprovement >= $0 } ?? false
    state.maxSteps = total
    state.numTrainEpochs = epochs
    state.requestedMaxSteps = requestedSteps
    state.trajectory = setup.trajectory
    state.worldSize = communicator.size
    state.threads = threads
    state.coreType = coreType()
    return state
  }

  /// Rank 0 reads the weights, and a checkpoint's moments; everyone gets what it needs of them.
  func loadReplica() throws {
    let initialised = try communicator.onRoot("loading the weights") { () -> [String] in
      if let checkpoint = setup.checkpoint {
        let none = try loadParameters(
          of: replica.model, from: checkpoint.model, into: replica.parameters.base,
          initialisingWith: nil, progress: communicator.worked)
        try checkpoint.readMoments(replica, progress: communicator.worked)
        return none
      }
      guard !options.startsFromScratch else {
        initializeParameters(
          of: replica.model, in: replica.parameters.base, seed: state.trajectory.seed,
          replica.pool, progress: communicator.worked)
        return []
      }
      let folder = try ModelFolder(path: options.model)
      try requireLabels(
        of: folder, for: replica.model, train: setup.train, modelPath: options.model)
      return try loadParameters(
        of: replica.model, from: folder, into: replica.parameters.base,
        initialisingWith: state.trajectory.seed, progress: communicator.worked)
    }
    if let initialised, !initialised.isEmpty {
      report.say("initialised, to be trained: \(initialised.joined(separator: ", "))")
    }
    communicator.enter("copying the weights")
    try communicator.broadcast(replica.parameters, from: 0)
    if setup.resumed != nil { try step.scatterMoments() }
  }

  func startLog(threads: Int) throws {
    try communicator.agree {
      guard let run = setup.run else { return }
      try run.openMetrics(keeping: setup.resumed?.metricsBytes ?? 0)
      if options.tensorboard {
        try run.openEvents(
          host: communicator.host, firstStep: state.globalStep + 1,
          labels: replica.model.configuration.labelNames)
      }
      try run.writeConfiguration(
        RunConfiguration(
          options, state.trajectory, state, validation: setup.validation, communicator,
          threads: threads))
      if let checkpoint = setup.checkpoint {
        try run.append(
          CheckpointRecord(
            event: "resume", step: state.globalStep,
            path: URL(fileURLWithPath: checkpoint.path).lastPathComponent))
      }
    }
    if let resumed = setup.resumed {
      report.say("resuming after step \(state.globalStep) of \(state.maxSteps)")
      report.warnOfNewEnd(state, resumed: resumed)
    }
    report.warn(ofTraces: options.trace, beyond: state)
    report.say(
      "\(replica.count.formatted()) parameters, \(setup.train.rows.formatted()) rows, "
        + "\(stepsPerEpoch) steps an epoch, \(state.maxSteps) steps; "
        + "\(counted(communicator.size, "rank")) x \(counted(threads, "thread")), "
        + counted(state.trajectory.microBatches, "micro-batch"))
    let trajectory = state.trajectory
    report.say(
      "batch \(trajectory.batchSize), learning rate \(trajectory.learningRate) "
        + "\(trajectory.schedule.rawValue), warm-up \(trajectory.warmupRatio), "
        + "weight decay \(trajectory.weightDecay), clipping \(trajectory.maxGradNorm), "
        + "dropout \(setup.configuration.hiddenDropout), seed \(trajectory.seed), "
        + "best by \(state.bestMetricName.rawValue); all in \(options.output)/run.json")
  }
}

extension ConsoleReport {
  /// Says so where the run ends before steps that it should record.
  func warn(ofTraces traced: TracedSteps?, beyond state: TrainerState) {
    for range in traced?.ranges ?? [] where range.upperBound > state.maxSteps {
      warn("--trace \(TracedSteps.text(of: range)): the run ends at step \(state.maxSteps)")
    }
  }

  /// Says so where a resumed run ends at another step than before.
  func warnOfNewEnd(_ state: TrainerState, resumed: TrainerState) {
    guard resumed.maxSteps != state.maxSteps else { return }
    warn(
      "the run now ends at step \(state.maxSteps) instead of \(resumed.maxSteps): "
        + "the learning-rate schedule is recomputed")
  }
}

/// Refuses a fine-tuned model whose head stands for other labels than the shards have.
///
/// - Throws: `TrainingError` naming both.
func requireLabels(
  of folder: ModelFolder, for model: EncoderModel, train: ShardFolder, modelPath: String
) throws {
  let head = model.layout.parameters.filter { $0.place == .head }
  guard train.task.hasLabelNames, let last = head.last, folder.shape(of: last.name) != nil
  else { return }
  let found = try ModelConfiguration(modelFolder: modelPath).labelNames
  let expected = train.labelNames
  guard found != expected, found != expected.indices.map({ "LABEL_\($0)" }) else { return }
  throw TrainingError(
    .data, modelPath,
    expected:
      "a model without a classifier, or for the labels \(expected.joined(separator: ", "))",
    found: "one for \(found.joined(separator: ", "))",
    remedy: "start from the pretrained model, or shard the data with those --labels")
}

extension Communicator {
  /// Copies an arena from rank `root` into every other rank's.
  func broadcast(_ arena: Arena, from root: Int) throws {
    let bytes = arena.count * MemoryLayout<Float>.stride
    try broadcast(UnsafeMutableRawBufferPointer(start: arena.base, count: bytes), from: root)
  }
}

/// `1 rank`, `2 ranks`, `2 micro-batches`.
private func counted(_ count: Int, _ noun: String) -> String {
  let plural = noun.hasSuffix("h") ? "es" : "s"
  return "\(count) \(noun)\(count == 1 ? "" : plural)"
}
