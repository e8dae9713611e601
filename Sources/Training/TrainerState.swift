import Foundation

/// trainer_state.json of a checkpoint: Hugging Face's field names, and what an exact resume needs.
package struct TrainerState: Codable, Sendable, Equatable {
  /// Where the next step stands in the data.
  package struct Cursor: Codable, Sendable, Equatable {
    /// From 0.
    package var epoch: Int
    /// Steps done in that epoch.
    package var step: Int
  }

  // Hugging Face's names.
  package var globalStep: Int
  /// Epochs done, with the fraction of the current one.
  package var epoch: Double
  package var maxSteps: Int
  package var numTrainEpochs: Int
  package var trainBatchSize: Int
  package var bestMetric: Double?
  package var bestModelCheckpoint: String?
  package var bestGlobalStep: Int?

  package var cursor: Cursor
  package var trajectory: Trajectory
  package var bestMetricName: BestMetric
  /// Evaluations since the best one.
  package var evaluationsWithoutImprovement: Int
  /// Sum and count of the step losses since the last evaluation.
  package var lossSum: Double
  package var lossSteps: Int
  /// Length of metrics.jsonl when the checkpoint was taken.
  package var metricsBytes: Int
  /// Steps as `--max-steps` gave them; nil where epochs rule.
  package var requestedMaxSteps: Int?
  /// Whether the evaluation that is due after the last step has not been done: the run was stopped
  /// before its end, and begins with it when it goes on.
  package var isEvaluationPending: Bool
  /// Whether the run was over.
  package var isFinished: Bool

  // For the reader of the file; resuming does not use them.
  package var worldSize: Int
  package var threads: Int
  package var coreType: String

  enum CodingKeys: String, CodingKey {
    case epoch, cursor, trajectory, threads
    case globalStep = "global_step"
    case maxSteps = "max_steps"
    case numTrainEpochs = "num_train_epochs"
    case trainBatchSize = "train_batch_size"
    case bestMetric = "best_metric"
    case bestModelCheckpoint = "best_model_checkpoint"
    case bestGlobalStep = "best_global_step"
    case bestMetricName = "best_metric_name"
    case evaluationsWithoutImprovement = "evaluations_without_improvement"
    case lossSum = "loss_sum"
    case lossSteps = "loss_steps"
    case metricsBytes = "metrics_bytes"
    case requestedMaxSteps = "requested_max_steps"
    case isEvaluationPending = "is_evaluation_pending"
    case isFinished = "is_finished"
    case worldSize = "world_size"
    case coreType = "core_type"
  }
}

/// The evaluation that was the best so far, and its checkpoint.
struct BestModel: Sendable, Equatable {
  let metric: Double
  let globalStep: Int
}

extension TrainerState {
  /// nil before the first evaluation with a defined metric.
  var best: BestModel? {
    get {
      guard let bestMetric, let bestGlobalStep else { return nil }
      return BestModel(metric: bestMetric, globalStep: bestGlobalStep)
    }
    set {
      bestMetric = newValue?.metric
      bestGlobalStep = newValue?.globalStep
      bestModelCheckpoint = newValue.map { "checkpoint-\($0.globalStep)" }
    }
  }
}

extension TrainerState {
  /// - Throws: `TrainingError` naming the file and what it lacks.
  package init(json data: Data, path: String) throws {
    do {
      self = try JSONDecoder().decode(TrainerState.self, from: data)
    } catch {
      throw TrainingError(
        .data, path, expected: "the trainer state that lockstep wrote", found: "\(error)",
        remedy: "resume from another checkpoint")
    }
  }

  /// Keys sorted: the same state gives the same bytes.
  package func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }
}
