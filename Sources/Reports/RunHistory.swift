/// What the folder of a training run tells of it.
package struct RunHistory: Sendable {
  /// As the user named it, without a slash at its end.
  package let path: String
  package internal(set) var state = State.stopped
  /// run.json, in its order.
  package internal(set) var settings: [Setting] = []
  package internal(set) var labelNames: [String] = []
  package internal(set) var hashes: [Hash] = []
  /// What a reader should know before believing the rest, such as a line that was cut off.
  package internal(set) var notes: [String] = []

  /// By step.
  package internal(set) var loss = BucketSeries()
  package internal(set) var learningRate = BucketSeries()
  package internal(set) var gradientNorm = BucketSeries()
  package internal(set) var lastStep = 0
  /// Epochs done.
  package internal(set) var lastEpoch = 0.0
  /// [ranks] Sums over all steps. A rank that came later starts with none.
  package internal(set) var rowsByRank: [Int] = []
  package internal(set) var tokensByRank: [Int] = []
  package internal(set) var evaluations: [Evaluation] = []
  /// Index of the evaluation with the best metric; nil before the first that has one.
  package internal(set) var best: Int?
  /// Of that evaluation, or of the last one where none is the best.
  package internal(set) var detail = EvaluationDetail()
  package internal(set) var events: [Event] = []
  package internal(set) var timing = Timing()

  init(path: String) { self.path = path }

  package enum State: Sendable, Equatable {
    /// A process holds the folder's lock; it names itself there.
    case running(holder: String)
    /// At the last step, or stopped early by `--patience`.
    case finished(early: Bool)
    /// Interrupted, or killed: the same command goes on.
    case stopped
  }

  /// A key of run.json.
  package struct Setting: Sendable, Equatable {
    package let name: String
    /// `none` for null; elements of an array with commas between them.
    package let text: String
  }

  /// The SHA-256 of something that a run was made from, or made.
  package struct Hash: Sendable, Equatable {
    package let name: String
    package let sha256: String
  }

  /// A line of metrics.jsonl for one evaluation.
  package struct Evaluation: Sendable, Equatable {
    package internal(set) var step = 0
    package internal(set) var epoch = 0.0
    package internal(set) var trainLoss: Double?
    /// By name; nil for what is undefined. `loss` is the validation loss.
    package internal(set) var scores: [String: Double?] = [:]
    package internal(set) var seconds: Double?
    package internal(set) var tokensPerSecond: Double?
    /// 10^6 bytes.
    package internal(set) var peakMegabytes: Double?

    package func score(_ name: String) -> Double? { scores[name] ?? nil }
  }

  /// The parts of an evaluation that are too long to keep of each.
  package struct EvaluationDetail: Sendable, Equatable {
    package internal(set) var step = 0
    package internal(set) var labels: [LabelScore] = []
    package internal(set) var sweep = Sweep()
  }

  /// Of a label, or of a type of entities.
  package struct LabelScore: Sendable, Equatable {
    package internal(set) var name: String
    package internal(set) var precision = 0.0
    package internal(set) var recall = 0.0
    package internal(set) var f1 = 0.0
    /// Rows or entities that truly have it.
    package internal(set) var support = 0
    /// From which it counts as predicted, tuned on the evaluation's rows.
    package internal(set) var threshold: Double?
  }

  /// [thresholds] each; empty where the evaluation has none.
  package struct Sweep: Sendable, Equatable {
    package internal(set) var thresholds: [Double] = []
    package internal(set) var precision: [Double] = []
    package internal(set) var recall: [Double] = []
    package internal(set) var f1: [Double] = []
  }

  /// A save, or the start of a job from a checkpoint.
  package struct Event: Sendable, Equatable {
    package internal(set) var kind = ""
    package internal(set) var step = 0
    package internal(set) var path = ""
    package internal(set) var bytes: Double?
    package internal(set) var seconds: Double?
    package internal(set) var blockedSeconds: Double?
    package internal(set) var addedSeconds: Double?
  }

  /// Sums of the timing records.
  package struct Timing: Sendable, Equatable {
    package internal(set) var steps = 0
    package internal(set) var seconds = 0.0
    package internal(set) var tokens = 0
    /// Tokens a second, by step.
    package internal(set) var throughput = BucketSeries()
    /// In the order of a step.
    package internal(set) var phases: [Phase] = []

    /// [ranks] Of all phases together.
    package var secondsByRank: [Double] {
      phases.reduce(into: []) { sums, phase in add(phase.secondsByRank, to: &sums) }
    }
  }

  package struct Phase: Sendable, Equatable {
    package let name: String
    /// [ranks]
    package internal(set) var secondsByRank: [Double] = []
    package var seconds: Double { secondsByRank.reduce(0, +) }
  }
}

extension RunHistory {
  /// What run.json has under a name; nil for null or no such key.
  package func setting(_ name: String) -> String? {
    settings.first { $0.name == name }.map(\.text).flatMap { $0 == "none" ? nil : $0 }
  }

  package var totalSteps: Int? { setting("total_steps").flatMap { Int($0) } }

  /// The metric that decides which evaluation is the best: run.json's, else the first that there is of
  /// those that lockstep decides by where nobody says.
  package var metric: String {
    if let metric = setting("metric") { return metric }
    let scores = evaluations.first?.scores ?? [:]
    // Classes have an F1 too, beside Matthews' coefficient, and are judged by accuracy.
    let usual = scores.keys.contains("matthews") ? ["accuracy"] : ["f1", "accuracy", "mse"]
    return usual.first(where: scores.keys.contains) ?? "loss"
  }

  package var bestEvaluation: Evaluation? { best.map { evaluations[$0] } }

  /// Whether less of a metric is better.
  package static func isError(_ metric: String) -> Bool {
    [
      "loss", "mse", "rmse", "mae", "perplexity", "masked_loss", "next_sentence_loss",
    ].contains(metric)
  }
}

/// Adds arrays of ranks, of which either may be longer. Sums of what no run can have are wrong, and no
/// reason to stop.
func add(_ values: [Int], to sums: inout [Int]) { add(values, to: &sums, by: &+) }
func add(_ values: [Double], to sums: inout [Double]) { add(values, to: &sums, by: +) }

private func add<Number>(
  _ values: [Number], to sums: inout [Number], by plus: (Number, Number) -> Number
) {
  for (rank, value) in values.enumerated() {
    if rank < sums.count { sums[rank] = plus(sums[rank], value) } else { sums.append(value) }
  }
}
