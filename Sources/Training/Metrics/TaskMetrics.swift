import Encoders

/// What an evaluation says, of one task.
///
/// Encoded it is one object with the names of `scores` as keys, and what else the task has.
package protocol TaskMetrics: Encodable, Sendable {
  /// The validation loss: of the same form as in training, without dropout.
  var loss: Double { get }
  /// Every number that has a name, the most telling first; nil where it is undefined.
  var scores: [(name: String, value: Double?)] { get }
  /// The numbers of a line of progress.
  var headline: [(name: String, value: Double?)] { get }
  /// Those of each label; nil for a task without.
  var labelScores: LabelScores? { get }
  /// What `labelScores` are of; nil for the model's labels.
  var labelScoreNames: [String]? { get }
  /// Of each label, tuned or known before; nil for a task or an evaluation without.
  var thresholds: LabelThresholds? { get }
}

extension TaskMetrics {
  /// A number by its name; nil for a name that is not there, too.
  func score(_ name: String) -> Double? { scores.first { $0.name == name }?.value }

  package var labelScores: LabelScores? { nil }
  package var labelScoreNames: [String]? { nil }
  package var thresholds: LabelThresholds? { nil }

  package var headline: [(name: String, value: Double?)] {
    Array(scores.filter { $0.name != "loss" }.prefix(3))
  }
}

/// The metric that decides which checkpoint is the best: one of those that the task has.
package struct BestMetric: RawRepresentable, Codable, Sendable, Equatable {
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  private static let errors: Set = [
    "loss", "mse", "rmse", "mae", "perplexity", "masked_loss", "next_sentence_loss",
  ]
  /// Whether less is better.
  private var isError: Bool { Self.errors.contains(rawValue) }

  /// The value to maximise; nil where the metric is undefined.
  func score(_ metrics: any TaskMetrics) -> Double? {
    metrics.score(rawValue).map { isError ? -$0 : $0 }
  }
}

extension Task {
  /// The names of the task's metrics; the first decides where nobody says.
  package var metricNames: [String] {
    switch self {
    case .multiLabel:
      [
        "f1", "f1_macro", "roc_auc", "roc_auc_scores", "accuracy", "jaccard", "f1_tuned",
        "f1_macro_tuned", "accuracy_tuned", "jaccard_tuned", "loss",
      ]
    case .multiClass: ["accuracy", "f1", "f1_macro", "f1_weighted", "matthews", "loss"]
    case .regression: ["mse", "rmse", "mae", "pearson", "spearman", "r2", "loss"]
    case .tokenClassification: ["f1", "precision", "recall", "accuracy", "loss"]
    case .questionAnswering:
      [
        "f1", "exact_match", "has_ans_f1", "has_ans_exact", "no_ans_f1", "no_ans_exact", "best_f1",
        "best_exact", "loss",
      ]
    case .pretraining:
      [
        "loss", "masked_loss", "perplexity", "masked_accuracy", "next_sentence_loss",
        "next_sentence_accuracy",
      ]
    }
  }

  var defaultMetric: BestMetric { BestMetric(rawValue: metricNames[0]) }
}

/// Encodes scores under their names; what is undefined as null, so that the key is always there.
struct ScoreKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension TaskMetrics {
  package func encode(to encoder: any Encoder) throws { try encodeScores(to: encoder) }

  func encodeScores(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: ScoreKey.self)
    for (name, value) in scores { try values.encode(value, forKey: ScoreKey(stringValue: name)) }
  }
}
