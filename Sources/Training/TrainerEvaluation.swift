import Checkpoints
import Collectives
import Foundation
import Kernels
import Shards

// Evaluations.
extension Trainer {
  enum EvaluationOutcome: Equatable {
    case done(improved: Bool)
    /// A rank was asked to stop: the evaluation stays pending.
    case interrupted
  }

  /// Evaluates, and takes over on every rank what rank 0 makes of it; a collective call.
  func evaluate() throws -> EvaluationOutcome {
    let trainingSeconds = (ContinuousClock.now - evaluationClock).seconds
    let peak = try communicator.peakMemory().max() ?? 0
    let start = ContinuousClock.now
    let metrics = try communicator.span(.evaluation) { try validationMetrics("evaluation") }
    try communicator.onRoot("evaluation", step: state.globalStep) {
      guard let metrics else { return }
      let record = EvaluationRecord(
        step: state.globalStep, epoch: state.epoch,
        trainLoss: state.lossSum / Double(max(1, state.lossSteps)), metrics: metrics,
        seconds: (ContinuousClock.now - start).seconds,
        tokensPerSecond: Double(tokensSinceEvaluation) / max(trainingSeconds, 1e-9),
        peakMegabytes: Double(peak) / 1e6)
      try log(record)
      report.evaluation(record, bestBy: state.bestMetricName)
      state.thresholds = metrics.thresholds?.values
      state.log(
        LoggedEvaluation(step: state.globalStep, epoch: state.epoch, metrics: metrics))
      checkpointing?.note(metrics, ofStep: state.globalStep)
      checkpointing?.correctBest(in: &state)
      noteScore(state.bestMetricName.score(metrics))
    }
    // What rank 0 makes of it, everyone takes: it alone knows which checkpoints there are.
    guard let shared = try communicator.share({ try state.json() }) else {
      preconditionFailure("rank 0 always has a state")
    }
    state = try TrainerState(json: shared, path: "the state of rank 0")
    guard !state.isEvaluationPending else { return .interrupted }
    tokensSinceEvaluation = 0
    evaluationClock = .now
    return .done(improved: state.bestGlobalStep == state.globalStep)
  }

  /// Of the replica's parameters as they are; a collective call.
  ///
  /// - Parameter phase: what it is, for the watchdog's message.
  /// - Returns: On rank 0, unless a rank was asked to stop; else nil.
  private func validationMetrics(_ phase: String) throws -> (any TaskMetrics)? {
    let ranks = options.evaluationRanks == .all ? communicator.size : 1
    communicator.enter(
      communicator.rank < ranks ? phase : "waiting for rank 0", step: state.globalStep)
    return try Evaluator(
      model: replica.model, parameters: replica.parameters, pool: replica.pool,
      layerDone: communicator.worked
    )
    .evaluate(
      setup.validation, ranks: ranks, tuned: .onTheseRows, masking: setup.masking,
      over: communicator
    ) { _ in
      if isStopRequested || communicator.heartbeats?.isStopRequestedAnywhere == true {
        communicator.heartbeats?.askToStop()
        throw Interrupted()
      }
    }
  }

  private func noteScore(_ score: Double?) {
    state.isEvaluationPending = false
    state.lossSum = 0
    state.lossSteps = 0
    if let score, score > (state.bestMetric ?? -.infinity) {
      state.best = BestModel(metric: score, globalStep: state.globalStep)
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

  /// Waits for the last checkpoint, loads the best one from disk and evaluates it: what the run leaves
  /// is what it reports.
  func finish() throws -> Outcome {
    let isRoot = communicator.rank == 0
    communicator.enter(
      isRoot ? "loading the best checkpoint" : "waiting for rank 0", step: state.globalStep)
    let shared = try communicator.share {
      try checkpointing?.finish()
      guard let path = try checkpointing?.bestPath() else { return nil }
      _ = try loadParameters(
        of: replica.model, from: ModelFolder(path: path), into: replica.parameters.base,
        initialisingWith: nil, progress: communicator.worked)
      return Data(path.utf8)
    }
    guard let shared else { return Outcome(isFinished: true, checkpoint: nil, metrics: nil) }
    if options.evaluationRanks == .all {
      communicator.enter("copying the weights", step: state.globalStep)
      try communicator.broadcast(
        UnsafeMutableRawBufferPointer(start: replica.parameters.base, count: replica.count * 4),
        from: 0)
    }
    // The run is whole already: a request to stop costs no more than these metrics.
    let metrics = try validationMetrics("final evaluation")
    guard isRoot else { return Outcome(isFinished: true, checkpoint: nil, metrics: nil) }
    let path = String(decoding: shared, as: UTF8.self)
    if let metrics { report.best(path: path, metrics, by: state.bestMetricName) }
    return Outcome(isFinished: true, checkpoint: path, metrics: metrics)
  }
}
