import Foundation
import TensorBoard

/// A line of metrics.jsonl, and what of it can be plotted.
package protocol RunRecord: Encodable {
  /// Global step, from 1.
  var step: Int { get }
  /// - Parameter labels: The model's, in its order: a list of as many numbers is theirs.
  func scalars(labels: [String]) throws -> [Scalar]
}

/// A line of metrics.jsonl for one optimizer step.
///
/// It holds nothing that two runs of the same trajectory would differ in, timings least of all.
package struct StepRecord: RunRecord, Codable, Sendable, Equatable {
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

  package func scalars(labels: [String]) -> [Scalar] {
    [
      Scalar("train/loss", loss), Scalar("train/learning_rate", learningRate),
      Scalar("train/grad_norm", gradientNorm),
    ]
  }
}

/// A line of metrics.jsonl for where the time of some steps went: evaluations and saves, which come
/// between steps, are not in it.
package struct TimingRecord: RunRecord, Codable, Sendable, Equatable {
  /// [ranks] seconds of each, summed over the steps; the wait for slower ranks is in `exchange`.
  package struct Phases: Codable, Sendable, Equatable {
    package var data: [Double]
    package var forward: [Double]
    package var backward: [Double]
    package var exchange: [Double]
    package var optimizer: [Double]
  }

  package var event = "timing"
  /// The last of the steps.
  package var step: Int
  package var epoch: Double
  /// How many they are.
  package var steps: Int
  /// Of rank 0, from each step's begin to its record in the log.
  package var seconds: Double
  package var tokens: Int
  package var tokensPerSecond: Double
  package var phasesByRank: Phases

  enum CodingKeys: String, CodingKey {
    case event, step, epoch, steps, seconds, tokens
    case tokensPerSecond = "tokens_per_second"
    case phasesByRank = "phases_by_rank"
  }

  /// Of phases the seconds a step, mean over the ranks.
  package func scalars(labels: [String]) -> [Scalar] {
    let phases = [
      ("data", phasesByRank.data), ("forward", phasesByRank.forward),
      ("backward", phasesByRank.backward), ("exchange", phasesByRank.exchange),
      ("optimizer", phasesByRank.optimizer),
    ]
    return [Scalar("train/tokens_per_second", tokensPerSecond)]
      + phases.map { name, seconds in
        Scalar("phases/" + name, seconds.reduce(0, +) / Double(seconds.count * steps))
      }
  }
}

/// A line of metrics.jsonl for one evaluation: every metric, `loss` being the validation loss.
package struct EvaluationRecord: RunRecord, Sendable {
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

  /// Every number of the record, those of labels too, by its path: `eval/f1`, `eval/per_label/f1/joy`.
  package func scalars(labels: [String]) throws -> [Scalar] {
    var object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(self))
    // The first three say where the others belong; training's speed is plotted with its steps, and a
    // sweep is a curve over thresholds.
    if var keyed = object as? [String: Any] {
      for key in ["event", "step", "epoch", "tokens_per_second", "peak_rss_mb", "sweep"] {
        keyed[key] = nil
      }
      object = keyed
    }
    return numbers(in: object, "eval", labels) + [Scalar("memory/peak_rss_mb", peakMegabytes)]
  }
}

/// The numbers of nested objects by their path, in its order, those of a list by the labels. What is
/// undefined has none.
private func numbers(in value: Any, _ path: String, _ labels: [String]) -> [Scalar] {
  switch value {
  case let object as [String: Any]:
    object.sorted { $0.key < $1.key }.flatMap {
      numbers(in: $0.value, path + "/" + $0.key, labels)
    }
  case let list as [Any] where list.count == labels.count:
    zip(labels, list).flatMap { numbers(in: $1, path + "/" + $0, labels) }
  case let number as NSNumber: [Scalar(path, number.doubleValue)]
  default: []
  }
}

/// A line of metrics.jsonl for one checkpoint, or for the start of a job.
package struct CheckpointRecord: RunRecord, Codable, Sendable, Equatable {
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

  /// None: what a save costs is no curve.
  package func scalars(labels: [String]) -> [Scalar] { [] }
}
