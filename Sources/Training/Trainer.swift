import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Shards

/// Trains a model over all ranks from its first step, or a checkpoint's, to its last.
///
/// This file has the loop; TrainerStart.swift what comes before it, TrainerEvaluation.swift the
/// evaluations.
package final class Trainer {
  package struct Outcome: Sendable {
    /// Whether the schedule's last step is done; otherwise the run saved and stopped to be resumed.
    package let isFinished: Bool
    /// Path of the best checkpoint, or of the last where none was best; rank 0 only.
    package let checkpoint: String?
    /// Metrics of the best checkpoint, evaluated anew from disk when the run ended; rank 0 only.
    package let metrics: (any TaskMetrics)?
  }

  let options: TrainingOptions
  let communicator: Communicator
  let report: ConsoleReport
  let interruption: Interruption
  let setup: TrainingSetup
  let replica: Replica
  let stepsPerEpoch: Int
  /// Rank 0 only.
  let checkpointing: Checkpointing?
  /// The same on every rank, but that rank 0 alone knows of saves that failed.
  var state: TrainerState
  var tokensSinceEvaluation = 0
  var evaluationClock = ContinuousClock.now
  let step: TrainingStep
  /// What is being recorded for --trace.
  var trace: StepTrace?
  private var timing = StepTiming()
  private var speed = RecentSpeed()
  private let schedule: LearningRateSchedule
  private var order: EpochOrder?
  private var savedState: TrainerState?
  /// Whether this job has done anything that the next one need not do again.
  private var hasTakenStep = false
  private var hasWarnedOfFullDisk = false

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
    try communicator.agree { try options.validate() }
    try communicator.watch(
      patience: options.watchdog > 0 ? .seconds(options.watchdog) : nil,
      isStopRequested: { interruption.isSignalled })
    setup = try TrainingSetup(
      options, communicator, report, interruption, readVocabulary: readVocabulary)
    let trajectory = setup.trajectory
    stepsPerEpoch = (setup.train.rows + trajectory.batchSize - 1) / trajectory.batchSize
    let threads = options.threads ?? defaultThreads(localRanks: communicator.localSize)
    state = Self.initialState(
      setup, options, communicator, threads: threads, stepsPerEpoch: stepsPerEpoch)
    schedule = LearningRateSchedule(
      shape: trajectory.schedule, peak: trajectory.learningRate,
      warmupRatio: trajectory.warmupRatio, totalSteps: state.maxSteps)
    let node = try Replica.shareMemory(
      setup.configuration, communicator, exchange: trajectory.exchange)
    replica = Replica(
      setup.configuration, threads: threads, layerDecay: trajectory.layerDecay ?? 1,
      updatesAll: Replica.updatesAll(communicator, exchange: trajectory.exchange), node: node)
    step = try TrainingStep(
      setup.train, replica, trajectory, communicator, masking: setup.masking, node: node,
      overlap: options.overlap)
    checkpointing = try communicator.agree { [setup, replica] in
      try setup.run.map {
        try Checkpointing(
          run: $0, replica: replica, options: options, communicator: communicator, report: report,
          tokenizerFiles: setup.vocabulary?.files ?? [], resumed: setup.resumed,
          card: setup.card)
      }
    }
    try loadReplica()
    if !isOver { try startLog(threads: threads) }
  }

  /// Runs to the last step, or until it is told to stop.
  package func run() throws -> Outcome {
    guard !isOver else {
      report.say("nothing to do: step \(state.globalStep) of \(state.maxSteps) is done")
      return Outcome(isFinished: true, checkpoint: try checkpointing?.bestPath(), metrics: nil)
    }
    do {
      return try runSteps()
    } catch {
      // A save that is under way is of a step that was good. Its own failure has been told.
      try? checkpointing?.finish()
      throw error
    }
  }

  private func runSteps() throws -> Outcome {
    evaluationClock = .now
    savedState = setup.resumed == nil ? nil : state
    var stops = try communicator.sumAll([interruption.isSignalled ? 1 : 0])[0] > 0
    // A run that was stopped before an evaluation was done begins with it.
    if !stops, state.isEvaluationPending { stops = try settle(stopRequested: false) }
    while !isOver, !stops {
      try beginTrace()
      let outcome = try takeStep()
      state.isEvaluationPending = isAtLastStep || isDue(options.evaluateEvery)
      let isLast = outcome.isStopRequested || options.stopAt == state.globalStep
      try logTiming(isLast: isLast)
      stops = try settle(stopRequested: isLast)
      try endTrace(isLast: isOver || stops)
    }
    let outcome = isOver ? try finish() : try leave()
    report.peakMemory(try communicator.peakMemory())
    return outcome
  }

  var isAtLastStep: Bool { state.isAtLastStep }
  private var isOver: Bool { state.isOver }

  private func isDue(_ interval: TrainingOptions.Interval) -> Bool {
    switch interval {
    case .epoch: state.cursor.step == 0
    case .steps(let count): state.globalStep % count == 0
    }
  }

  /// Does what is due between two steps: evaluation, comparison of the ranks, checkpoint.
  ///
  /// - Returns: Whether the job stops here.
  private func settle(stopRequested: Bool) throws -> Bool {
    var stops = stopRequested
    var hasImproved = false
    if state.isEvaluationPending, !stops {
      switch try evaluate() {
      case .done(let improved): hasImproved = improved
      case .interrupted: stops = true
      }
    }
    state.isFinished = isOver
    let saves = hasImproved || stops || isOver || isDue(options.saveEvery)
    let compares =
      options.checkReplicasEvery > 0 && state.globalStep % options.checkReplicasEvery == 0
    if saves || compares {
      try requireEqualReplicas(
        replica.model.layout, replica.parameters, step: state.globalStep, replica.pool,
        communicator)
    }
    if saves { try save(isLastOfJob: stops && !isOver) }
    return stops
  }

  /// Begins a save, unless the checkpoint of this very state is there already; a collective call.
  ///
  /// - Parameter isLastOfJob: whether the job ends with it and is in a hurry.
  private func save(isLastOfJob: Bool) throws {
    // Rank 0's answer: what the others have of the state may differ, in their threads for one.
    let isNew = try communicator.broadcast([state != savedState ? 1 : 0], from: 0) == [1]
    guard isNew else { return }
    savedState = state
    communicator.enter("saving", step: state.globalStep)
    try communicator.span(.save) {
      // The save before reads the moments that are gathered for this one.
      checkpointing?.awaitWriter()
      let start = ContinuousClock.now
      try step.gatherMoments()
      checkpointing?.begin(state, prunes: !isLastOfJob, since: start)
    }
    // A save right after an evaluation is not the training time of the next one.
    if tokensSinceEvaluation == 0 { evaluationClock = .now }
  }

  /// Ends a job that the same command continues.
  private func leave() throws -> Outcome {
    try communicator.onRoot("saving", step: state.globalStep) { try checkpointing?.finish() }
    let reason = interruption.reason(reserve: checkpointing?.reserve ?? .zero)
    let cause = options.stopAt == state.globalStep ? "--stop-at" : reason
    report.say(
      "stopped after step \(state.globalStep) (\(cause)); run the same command again to go on")
    return Outcome(isFinished: false, checkpoint: try checkpointing?.lastPath(), metrics: nil)
  }

  /// Whether this rank wants the job to stop.
  ///
  /// A time limit stops no job before its first step, nor the evaluation that it may begin with: jobs
  /// that get nothing done would be queued again for ever.
  var isStopRequested: Bool {
    hasTakenStep
      ? interruption.isRequested(reserve: checkpointing?.reserve ?? .zero)
      : interruption.isSignalled
  }
}

// Steps.
extension Trainer {
  private func takeStep() throws -> TrainingStep.Outcome {
    let start = ContinuousClock.now
    hasTakenStep = true
    let number = state.globalStep + 1
    let rate = schedule.rate(atStep: number)
    let outcome = try step.take(
      batchRows(), step: number, epoch: state.cursor.epoch, learningRate: rate,
      stopRequested: isStopRequested,
      parametersWillChange: { checkpointing?.parametersWillChange() })
    state.globalStep = number
    state.cursor.step += 1
    state.epoch = Double(state.cursor.epoch) + Double(state.cursor.step) / Double(stepsPerEpoch)
    if state.cursor.step == stepsPerEpoch {
      state.cursor = TrainerState.Cursor(epoch: state.cursor.epoch + 1, step: 0)
      order = nil
    }
    // The thresholds of an evaluation are those of the weights that it had.
    state.thresholds = nil
    state.lossSum += outcome.loss
    state.lossSteps += 1
    let tokens = outcome.tokensByRank.reduce(0, +)
    tokensSinceEvaluation += tokens
    let record = StepRecord(
      step: number, epoch: state.epoch, loss: outcome.loss, learningRate: rate,
      gradientNorm: outcome.gradientNorm, rowsByRank: outcome.rowsByRank,
      tokensByRank: outcome.tokensByRank)
    communicator.orAbort { try log(record) }
    let duration = ContinuousClock.now - start
    checkpointing?.stepped(tokens: tokens, took: duration)
    timing.add(tokens: tokens, seconds: duration.seconds)
    speed.add(tokens: tokens, seconds: duration.seconds)
    report.step(record, of: state.maxSteps, speed)
    return outcome
  }

  /// Logs where the time of the last steps went: now and then, and before whatever else is logged or
  /// saved, so that no record is of steps on both sides of a checkpoint; a collective call.
  ///
  /// - Parameter isLast: Whether the job stops here.
  private func logTiming(isLast: Bool) throws {
    let interval = StepTiming.interval(total: state.maxSteps)
    guard
      state.globalStep.isMultiple(of: interval) || state.isEvaluationPending || isLast
        || isDue(options.saveEvery)
    else { return }
    let record = try timing.record(
      step: state.globalStep, epoch: state.epoch, replica.phases, communicator)
    communicator.orAbort { try log(record) }
  }

  /// Appends a line to metrics.jsonl, and to TensorBoard's events; on a full disk it waits for room.
  func log(_ record: some RunRecord) throws {
    guard try setup.run?.append(record) == true, !hasWarnedOfFullDisk else { return }
    hasWarnedOfFullDisk = true
    report.warn("\(options.output)/metrics.jsonl cannot be written: its lines wait for room")
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
