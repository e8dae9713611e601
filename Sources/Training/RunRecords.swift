/// A line of metrics.jsonl for one optimizer step.
///
/// It holds nothing that two runs of the same trajectory would differ in, timings least of all.
package struct StepRecord: Codable, Sendable, Equatable {
  package var event = "step"
  /// Global step, from 1.
  package var step: Int
  /// Epochs done after the step.
  package var epoch: Double
  /// Mean over the global batch's rows x labels.
  package var loss: Double
  package var learningRate: Double
  /// Before clipping.
  package var gradientNorm: Double
  /// [ranks]
  package var rowsByRank: [Int]
  package var tokensByRank: [Int]

  enum CodingKeys: String, CodingKey {
    case event, step, epoch, loss
    case learningRate = "learning_rate"
    case gradientNorm = "grad_norm"
    case rowsByRank = "rows_by_rank"
    case tokensByRank = "tokens_by_rank"
  }
}

/// A line of metrics.jsonl for one evaluation: every metric, `loss` being the validation loss.
package struct EvaluationRecord: Encodable, Sendable {
  package var step: Int
  package var epoch: Double
  /// Mean step loss since the last evaluation.
  package var trainLoss: Double
  package var metrics: any TaskMetrics
  /// Seconds that the evaluation took, and training tokens a second since the last one.
  package var seconds: Double
  package var tokensPerSecond: Double
  /// The most memory that a rank has had resident so far, in 10^6 bytes.
  package var peakMegabytes: Double

  enum CodingKeys: String, CodingKey {
    case event, step, epoch, seconds
    case trainLoss = "train_loss"
    case peakMegabytes = "peak_rss_mb"
    case tokensPerSecond = "tokens_per_second"
  }

  package func encode(to encoder: any Encoder) throws {
    try metrics.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode("evaluation", forKey: .event)
    try values.encode(step, forKey: .step)
    try values.encode(epoch, forKey: .epoch)
    try values.encode(trainLoss, forKey: .trainLoss)
    try values.encode(seconds, forKey: .seconds)
    try values.encode(tokensPerSecond, forKey: .tokensPerSecond)
    try values.encode(peakMegabytes, forKey: .peakMegabytes)
  }
}

/// A line of metrics.jsonl for one checkpoint, or for the start of a job.
package struct CheckpointRecord: Codable, Sendable, Equatable {
  /// `checkpoint` when it was saved, `resume` when a job went on from it.
  package var event: String
  package var step: Int
  package var path: String
  package var bytes: Int64?
  /// From the first byte written to the rename.
  package var seconds: Double?
  /// For how long training stood still.
  package var blockedSeconds: Double?
  /// By how much the save made training longer: see `SaveCost`.
  package var addedSeconds: Double?

  enum CodingKeys: String, CodingKey {
    case event, step, path, bytes, seconds
    case blockedSeconds = "blocked_seconds"
    case addedSeconds = "added_seconds"
  }
}
