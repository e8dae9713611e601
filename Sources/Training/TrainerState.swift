import Foundation
import Manifests

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
  /// [labels] Tuned by an evaluation of these very parameters; nil without one, and in tasks other than
  /// multi-label.
  package var thresholds: [Double]?
  /// The newest evaluations, oldest first, as Hugging Face's Trainer logs them; nil in checkpoints from
  /// before there was such a list.
  package var logHistory: [LoggedEvaluation]?
  /// What the run began with; nil for random weights, and in checkpoints from before it was kept.
  package var baseModel: BaseModel?

  // For the reader of the file; resuming does not use them.
  package var worldSize: Int
  package var threads: Int
  package var coreType: String

  enum CodingKeys: String, CodingKey {
    case epoch, cursor, trajectory, threads, thresholds
    case globalStep = "global_step"
    case maxSteps = "max_steps"
    case numTrainEpochs = "num_train_epochs"
    case trainBatchSize = "train_batch_size"
    case bestMetric = "best_metric"
    case bestModelCheckpoint = "best_model_checkpoint"
    case logHistory = "log_history"
    case baseModel = "base_model"
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
  var isAtLastStep: Bool { globalStep >= maxSteps }
  /// Whether nothing is left to do.
  var isOver: Bool { isFinished || (isAtLastStep && !isEvaluationPending) }

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
  /// Strict about what Foundation's decoder lets pass, and about values: a stranger's checkpoint
  /// verifies against the stranger's manifest.
  ///
  /// - Throws: `TrainingError` naming the file and what it lacks, or the key and its value.
  package init(json data: Data, path: String) throws {
    do {
      try JSONReader.check(object: Array(data))
      self = try JSONDecoder().decode(TrainerState.self, from: data)
    } catch {
      throw TrainingError(
        .data, path, expected: "the trainer state that lockstep wrote", found: reason(error),
        remedy: "resume from another checkpoint")
    }
    try checkRanges(path)
    try trajectory.checkRanges(path)
  }

  /// Keys sorted: the same state gives the same bytes.
  package func json() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }

  /// Refuses a cursor that stands behind the last step of an epoch of `rows` rows.
  ///
  /// - Throws: `TrainingError` naming the step, the most there can be, and what to do.
  package func requireCursor(inEpochOf rows: Int, path: String) throws {
    let steps = (rows + trajectory.batchSize - 1) / trajectory.batchSize
    guard cursor.step >= steps else { return }
    throw TrainingError(
      .data, "\(path): cursor.step",
      expected: "a step below \(steps), as an epoch of \(rows) rows has", found: "\(cursor.step)",
      remedy: "resume from another checkpoint")
  }

  /// Refuses numbers of labels for another number of labels than the model has.
  ///
  /// - Throws: `TrainingError` naming the key, the model's number of labels, and what to do.
  package func requireLabels(_ count: Int, path: String) throws {
    for (key, found) in [
      ("thresholds", thresholds?.count),
      ("trajectory.positive_weights", trajectory.positiveWeights?.count),
    ] {
      guard let found, found != count else { continue }
      throw TrainingError(
        .data, "\(path): \(key)", expected: "\(count) numbers, one a label", found: "\(found)",
        remedy: "resume from another checkpoint")
    }
  }

  private func checkRanges(_ path: String) throws {
    let range = StateRange(path: path)
    let steps = 0...1 << 31
    try range.require("global_step", globalStep, in: steps)
    try range.require("epoch", epoch, in: 0...0x1p31)
    try range.require("max_steps", maxSteps, in: 0...1 << 52)
    try range.require("num_train_epochs", numTrainEpochs, in: 1...1 << 20)
    try range.require("train_batch_size", trainBatchSize, in: 1...1 << 20)
    try range.require("best_global_step", bestGlobalStep, in: steps)
    try range.require("cursor.epoch", cursor.epoch, in: steps)
    try range.require("cursor.step", cursor.step, in: steps)
    try range.require(
      "evaluations_without_improvement", evaluationsWithoutImprovement, in: steps)
    try range.require("loss_sum", lossSum, in: -0x1p1000...0x1p1000)
    try range.require("loss_steps", lossSteps, in: steps)
    try range.require("metrics_bytes", metricsBytes, in: 0...1 << 52)
    try range.require("requested_max_steps", requestedMaxSteps, in: 1...1 << 31)
    for threshold in thresholds ?? [] { try range.require("thresholds", threshold, in: 0...1) }
  }
}

extension Trajectory {
  /// The ranges that a command line's flags have to be in too.
  fileprivate func checkRanges(_ path: String) throws {
    let range = StateRange(path: path + ": trajectory", separator: ".")
    try range.require("batch_size", batchSize, in: 1...1 << 20)
    for (key, parts) in [
      ("micro_batches", microBatches), ("requested_micro_batches", requestedMicroBatches ?? 1),
    ] {
      try range.require(key, parts, in: 1...1 << 16)
      guard parts.nonzeroBitCount == 1 else {
        throw range.failure(key, expected: "a power of two", found: "\(parts)")
      }
    }
    try range.require("learning_rate", learningRate, in: 0...1e3)
    try range.require("weight_decay", weightDecay, in: 0...1e3)
    try range.require("warmup_ratio", warmupRatio, in: 0...1)
    try range.require("max_grad_norm", maxGradNorm, in: 0...Double.greatestFiniteMagnitude)
    try range.require("dropout", dropout, in: 0...0.999)
    try range.require("layer_decay", layerDecay, in: 0.01...1)
    try range.require("frozen_layers", frozenLayers, in: 0...1 << 10)
    for weight in positiveWeights ?? [] {
      try range.require("positive_weights", Double(weight), in: PositiveWeights.range)
    }
  }
}

/// Checks of single values that name the key.
private struct StateRange {
  let path: String
  var separator = ": "

  func require<Value: Comparable>(
    _ key: String, _ value: Value?, in range: ClosedRange<Value>
  ) throws {
    guard let value, !range.contains(value) else { return }
    throw failure(
      key, expected: "a value from \(range.lowerBound) to \(range.upperBound)", found: "\(value)")
  }

  func failure(_ key: String, expected: String, found: String) -> TrainingError {
    TrainingError(
      .data, path + separator + key, expected: expected, found: found,
      remedy: "resume from another checkpoint")
  }
}

/// What a decoder says, in one line.
private func reason(_ error: any Error) -> String {
  func place(_ path: [any CodingKey]) -> String {
    path.map(\.stringValue).joined(separator: ".")
  }
  return switch error {
  case let defect as JSONReader.Defect:
    "\(defect.found) instead of \(defect.expected) at byte \(defect.offset)"
  case DecodingError.keyNotFound(let key, let context):
    "no \(quoted(place(context.codingPath + [key])))"
  case DecodingError.typeMismatch(let type, let context),
    DecodingError.valueNotFound(let type, let context):
    "\(quoted(place(context.codingPath))) that is no \(type)"
  case DecodingError.dataCorrupted(let context):
    // The text is valid JSON, as was checked; without a path, a number does not fit its type.
    context.codingPath.isEmpty
      ? "a number with a fraction, a sign or a size that its key cannot have"
      : "\(quoted(place(context.codingPath))) of another value"
  default: quoted("\(error)")
  }
}
