/// An entry of `log_history` in trainer_state.json: an evaluation as Hugging Face's Trainer logs it, its
/// numbers called `eval_loss`, `eval_f1` and so on. What is undefined is left out.
package struct LoggedEvaluation: Codable, Sendable, Equatable {
  package let step: Int
  /// Epochs done.
  package let epoch: Double
  /// By the metrics' own names.
  package let scores: [String: Double]

  /// The newest that a checkpoint keeps; metrics.jsonl has all.
  static let most = 1000
  private static let prefix = "eval_"

  init(step: Int, epoch: Double, scores: [String: Double]) {
    self.step = step
    self.epoch = epoch
    self.scores = scores
  }

  init(step: Int, epoch: Double, metrics: any TaskMetrics) {
    self.init(
      step: step, epoch: epoch,
      scores: metrics.scores.reduce(into: [:]) { $0[$1.name] = $1.value })
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: ScoreKey.self)
    step = try values.decode(Int.self, forKey: ScoreKey(stringValue: "step"))
    epoch = try values.decode(Double.self, forKey: ScoreKey(stringValue: "epoch"))
    scores = try values.allKeys.reduce(into: [:]) { scores, key in
      guard key.stringValue.hasPrefix(Self.prefix) else { return }
      scores[String(key.stringValue.dropFirst(Self.prefix.count))] =
        try values.decode(Double.self, forKey: key)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: ScoreKey.self)
    try values.encode(step, forKey: ScoreKey(stringValue: "step"))
    try values.encode(epoch, forKey: ScoreKey(stringValue: "epoch"))
    for (name, value) in scores {
      try values.encode(value, forKey: ScoreKey(stringValue: Self.prefix + name))
    }
  }
}

extension TrainerState {
  /// Adds an evaluation to the list, and drops the oldest beyond the most that are kept.
  mutating func log(_ evaluation: LoggedEvaluation) {
    logHistory = Array(((logHistory ?? []) + [evaluation]).suffix(LoggedEvaluation.most))
  }
}
