import Checkpoints
import Collectives
import Foundation
import Kernels
import Shards

// Evaluations, while the other ranks sleep.
extension Trainer {
  enum EvaluationOutcome: Equatable {
    case done(improved: Bool)
    /// A rank was asked to stop: the evaluation stays pending.
    case interrupted
  }

  /// Evaluates on rank 0 and takes over there what follows from it; a collective call.
  func evaluate() throws -> EvaluationOutcome {
    let trainingSeconds = (ContinuousClock.now - evaluationClock).seconds
    try communicator.onRoot("evaluation", step: state.globalStep) {
      let start = ContinuousClock.now
      do {
        let metrics = try validationMetrics()
        let record = EvaluationRecord(
          step: state.globalStep, epoch: state.epoch,
          trainLoss: state.lossSum / Double(max(1, state.lossSteps)), metrics: metrics,
          seconds: (ContinuousClock.now - start).seconds,
          tokensPerSecond: Double(tokensSinceEvaluation) / max(trainingSeconds, 1e-9))
        try log(record)
        report.evaluation(record)
        checkpointing?.correctBest(in: &state)
        noteScore(state.bestMetricName.score(metrics))
      } catch is Interrupted {}
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

  /// Of the replica's parameters as they are.
  ///
  /// - Throws: `Interrupted` when a rank is asked to stop.
  private func validationMetrics() throws -> MultiLabelMetrics {
    try Evaluator(
      model: replica.model, parameters: replica.parameters, pool: replica.pool,
      layerDone: communicator.worked
    )
    .evaluate(setup.validation) { _ in
      if isStopRequested || communicator.heartbeats?.isStopRequestedAnywhere == true {
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
    let result = try communicator.onRoot("final evaluation", step: state.globalStep) {
      () -> (path: String, metrics: MultiLabelMetrics?)? in
      try checkpointing?.finish()
      guard let path = try checkpointing?.bestPath() else { return nil }
      let folder = try ModelFolder(path: path)
      _ = try loadParameters(
        of: replica.model, from: folder, into: replica.parameters.base, initialisingWith: nil,
        progress: communicator.worked)
      // The run is whole already: a request to stop costs no more than these metrics.
      do { return (path, try validationMetrics()) } catch is Interrupted { return (path, nil) }
    }
    guard let best = result ?? nil else {
      return Outcome(isFinished: true, checkpoint: nil, metrics: nil)
    }
    if let metrics = best.metrics { report.best(path: best.path, metrics) }
    return Outcome(isFinished: true, checkpoint: best.path, metrics: best.metrics)
  }
}
