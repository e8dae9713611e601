import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Shards

/// Trains a model over all ranks from its first step, or a checkpoint's, to its last.
package final class Trainer {
  package struct Outcome: Sendable {
    /// Whether the schedule's last step is done; otherwise the run saved and stopped to be resumed.
    package let isFinished: Bool
    /// Path of the best checkpoint, or of the last where none was best; rank 0 only.
    package let checkpoint: String?
    /// Metrics of the best checkpoint, evaluated anew from disk when the run ended; rank 0 only.
    package let metrics: MultiLabelMetrics?
  }

  private let options: TrainingOptions
  private let communicator: Communicator
  private let report: ConsoleReport
  private let interruption: Interruption
  private let setup: TrainingSetup
  private let replica: Replica
  private let step: TrainingStep
  private let schedule: LearningRateSchedule
  private let stepsPerEpoch: Int
  private let checkpointing: Checkpointing?
  private var state: TrainerState
  private var order: EpochOrder?
  private var tokensSinceEvaluation = 0
  private var evaluationClock = ContinuousClock.now

  /// Opens everything that the run needs; a collective call, which fails on all ranks or on none.
  ///
  /// - Parameter readVocabulary: Called on rank 0; nil where the model folder has no tokenizer.
  package init(
    _ options: TrainingOptions, communicator: Communicator, report: ConsoleReport,
    interruption: Interruption, readVocabulary: () throws -> VocabularyIdentity?
  ) throws {
    self.options = options
    self.communicator = communicator
    self.report = report
    self.interruption = interruption
    setup = try TrainingSetup(options, communicator, report, readVocabulary: readVocabulary)
    let trajectory = setup.trajectory
    stepsPerEpoch = (setup.train.rows + trajectory.batchSize - 1) / trajectory.batchSize
    let threads = options.threads ?? defaultThreads(localRanks: communicator.localSize)
    state = Self.initialState(
      setup, options, communicator, threads: threads, stepsPerEpoch: stepsPerEpoch)
    schedule = LearningRateSchedule(
      shape: trajectory.schedule, peak: trajectory.learningRate,
      warmupRatio: trajectory.warmupRatio, totalSteps: state.maxSteps)
    let tree = ReductionTree(parts: trajectory.microBatches, ranks: communicator.size)
    replica = Replica(
      setup.configuration, threads: threads, subtreeParts: tree.parts(of: communicator.rank).count)
    step = try TrainingStep(setup.train, replica, trajectory, communicator)
    checkpointing = setup.run.map { [setup, replica] in
      Checkpointing(
        run: $0, replica: replica, options: options, tokenizerFiles: setup.vocabulary?.files ?? [])
    }
    try loadReplica()
    try startLog(threads: threads)
  }

  /// Runs to the last step, or until it is told to stop.
  package func run() throws -> Outcome {
    guard !isOver else {
      report.say("nothing to do: step \(state.globalStep) of \(state.maxSteps) is done")
      return Outcome(isFinished: true, checkpoint: try checkpointing?.bestPath(), metrics: nil)
    }
    let resumedSteps = state.globalStep
    let start = ContinuousClock.now
    evaluationClock = start
    while !isOver {
      let outcome = try takeStep(resumedSteps: resumedSteps, start: start)
      let isLast = state.globalStep == state.maxSteps
      if isLast || isDue(options.evaluateEvery) { try evaluate() }
      let improved = state.bestGlobalStep == state.globalStep
      let stops = outcome.isStopRequested || options.stopAt == state.globalStep
      if isLast || improved || isOver || stops || isDue(options.saveEvery) { try save() }
      if stops, !isOver {
        report.say("stopped after step \(state.globalStep); run the same command again to go on")
        return Outcome(isFinished: false, checkpoint: try checkpointing?.lastPath(), metrics: nil)
      }
    }
    return try finish()
  }

  private var isOver: Bool { state.isFinished || state.globalStep >= state.maxSteps }

  private func isDue(_ interval: TrainingOptions.Interval) -> Bool {
    switch interval {
    case .epoch: state.cursor.step == 0
    case .steps(let count): state.globalStep % count == 0
    }
  }
}

// Steps.
extension Trainer {
  private func takeStep(
    resumedSteps: Int, start: ContinuousClock.Instant
  ) throws -> TrainingStep.Outcome {
    let rows = batchRows()
    let number = state.globalStep + 1
    let rate = schedule.rate(atStep: number)
    let outcome = try step.take(
      rows, step: number, learningRate: rate, stopRequested: interruption.isRequested)
    state.globalStep = number
    state.cursor.step += 1
    state.epoch = Double(state.cursor.epoch) + Double(state.cursor.step) / Double(stepsPerEpoch)
    if state.cursor.step == stepsPerEpoch {
      state.cursor = TrainerState.Cursor(epoch: state.cursor.epoch + 1, step: 0)
      order = nil
    }
    state.lossSum += outcome.loss
    state.lossSteps += 1
    tokensSinceEvaluation += outcome.tokensByRank.reduce(0, +)
    let record = StepRecord(
      step: number, epoch: state.epoch, loss: outcome.loss, learningRate: rate,
      gradientNorm: outcome.gradientNorm, rowsByRank: outcome.rowsByRank,
      tokensByRank: outcome.tokensByRank)
    communicator.orAbort { try setup.run?.append(record) }
    report.step(
      record, of: state.maxSteps, resumedSteps: resumedSteps, elapsed: ContinuousClock.now - start)
    return outcome
  }

  /// The global batch that the cursor stands before.
  private func batchRows() -> [Int] {
    let rows = setup.train.rows
    let order =
      self.order
      ?? EpochOrder(seed: state.trajectory.seed, epoch: state.cursor.epoch, rows: rows)
    self.order = order
    let start = state.cursor.step * state.trajectory.batchSize
    return order[start..<min(start + state.trajectory.batchSize, rows)]
  }
}

// Evaluations and checkpoints.
extension Trainer {
  /// Evaluates on rank 0 and tells every rank what follows from it.
  private func evaluate() throws {
    let trainingSeconds = (ContinuousClock.now - evaluationClock).seconds
    let metrics = try communicator.onRoot { () -> MultiLabelMetrics in
      let start = ContinuousClock.now
      let metrics = try validationMetrics()
      let record = EvaluationRecord(
        step: state.globalStep, epoch: state.epoch,
        trainLoss: state.lossSum / Double(max(1, state.lossSteps)), metrics: metrics,
        seconds: (ContinuousClock.now - start).seconds,
        tokensPerSecond: Double(tokensSinceEvaluation) / max(trainingSeconds, 1e-9))
      try setup.run?.append(record)
      report.evaluation(record)
      return metrics
    }
    let score = metrics.flatMap { state.bestMetricName.score($0) }
    // Every rank keeps the state that rank 0 will save.
    let shared = try communicator.sumAll([score ?? 0, score == nil ? 0 : 1])
    noteScore(shared[1] > 0 ? shared[0] : nil)
    tokensSinceEvaluation = 0
    evaluationClock = .now
  }

  /// Of the replica's parameters as they are.
  private func validationMetrics() throws -> MultiLabelMetrics {
    try Evaluator(model: replica.model, parameters: replica.parameters, pool: replica.pool)
      .evaluate(setup.validation)
  }

  private func noteScore(_ score: Double?) {
    state.lossSum = 0
    state.lossSteps = 0
    if let score, score > (state.bestMetric ?? -.infinity) {
      state.bestMetric = score
      state.bestGlobalStep = state.globalStep
      state.bestModelCheckpoint = "checkpoint-\(state.globalStep)"
      state.evaluationsWithoutImprovement = 0
    } else {
      state.evaluationsWithoutImprovement += 1
      if let patience = options.patience, state.evaluationsWithoutImprovement >= patience {
        report.say(
          "no better \(state.bestMetricName.rawValue) in \(patience) evaluations: stopping early")
        state.isFinished = true
      }
    }
  }

  private func save() throws {
    state.isFinished = isOver
    try communicator.onRoot { try checkpointing?.save(state) }
    // A save right after an evaluation is not the training time of the next one.
    if tokensSinceEvaluation == 0 { evaluationClock = .now }
  }

  /// Loads the best checkpoint from disk and evaluates it: what the run leaves is what it reports.
  private func finish() throws -> Outcome {
    let result = try communicator.onRoot { () -> (String, MultiLabelMetrics)? in
      guard let path = try checkpointing?.bestPath() else { return nil }
      let folder = try ModelFolder(path: path)
      _ = try loadParameters(
        of: replica.model, from: folder, into: replica.parameters.base, initialisingWith: nil)
      return (path, try validationMetrics())
    }
    guard let best = result ?? nil else {
      return Outcome(isFinished: true, checkpoint: nil, metrics: nil)
    }
    report.best(path: best.0, best.1)
    return Outcome(isFinished: true, checkpoint: best.0, metrics: best.1)
  }
}

// The start of a run.
extension Trainer {
  private static func initialState(
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
        trajectory: setup.trajectory, bestMetricName: options.metric ?? .f1,
        evaluationsWithoutImprovement: 0, lossSum: 0, lossSteps: 0, metricsBytes: 0,
        requestedMaxSteps: requestedSteps, isFinished: false, worldSize: communicator.size,
        threads: threads, coreType: coreType())
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

  /// Rank 0 reads the weights, and a checkpoint's moments; everyone gets them.
  private func loadReplica() throws {
    let initialised = try communicator.onRoot { () -> [String] in
      if let checkpoint = setup.checkpoint {
        let none = try loadParameters(
          of: replica.model, from: checkpoint.model, into: replica.parameters.base,
          initialisingWith: nil)
        try checkpoint.readMoments(replica)
        return none
      }
      let folder = try ModelFolder(path: options.model)
      try requireLabels(of: folder)
      return try loadParameters(
        of: replica.model, from: folder, into: replica.parameters.base,
        initialisingWith: state.trajectory.seed)
    }
    if let initialised, !initialised.isEmpty {
      report.say("initialised, to be trained: \(initialised.joined(separator: ", "))")
    }
    let arenas =
      setup.resumed == nil
      ? [replica.parameters] : [replica.parameters, replica.expAvg, replica.expAvgSq]
    for arena in arenas {
      try communicator.broadcast(
        UnsafeMutableRawBufferPointer(start: arena.base, count: arena.count * 4), from: 0)
    }
  }

  /// Refuses a fine-tuned model whose classifier stands for other labels than the shards have.
  private func requireLabels(of folder: ModelFolder) throws {
    guard folder.shape(of: "classifier.weight") != nil else { return }
    let found = try ModelConfiguration(modelFolder: options.model).labelNames
    let expected = setup.train.labelNames
    guard found != expected, found != expected.indices.map({ "LABEL_\($0)" }) else { return }
    throw TrainingError(
      .data, options.model,
      expected:
        "a model without a classifier, or for the labels \(expected.joined(separator: ", "))",
      found: "one for \(found.joined(separator: ", "))",
      remedy: "start from the pretrained model, or shard the data with those --labels")
  }

  private func startLog(threads: Int) throws {
    guard !isOver else { return }
    try communicator.agree {
      guard let run = setup.run else { return }
      try run.openMetrics(keeping: setup.resumed?.metricsBytes ?? 0)
      try run.writeConfiguration(
        RunConfiguration(options, state.trajectory, state, communicator, threads: threads))
      if let checkpoint = setup.checkpoint {
        try run.append(
          CheckpointRecord(
            event: "resume", step: state.globalStep,
            path: URL(fileURLWithPath: checkpoint.path).lastPathComponent))
      }
    }
    if let resumed = setup.resumed {
      report.say("resuming after step \(state.globalStep) of \(state.maxSteps)")
      if resumed.maxSteps != state.maxSteps {
        report.warn(
          "the run now ends at step \(state.maxSteps) instead of \(resumed.maxSteps): "
            + "the learning-rate schedule is recomputed")
      }
    }
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

/// `1 rank`, `2 ranks`, `2 micro-batches`.
private func counted(_ count: Int, _ noun: String) -> String {
  let plural = noun.hasSuffix("h") ? "es" : "s"
  return "\(count) \(noun)\(count == 1 ? "" : plural)"
}
