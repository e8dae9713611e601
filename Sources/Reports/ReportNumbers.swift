/// What `lockstep report --format json` prints: the numbers that the page shows.
package struct ReportNumbers: Encodable {
  struct Curve: Encodable {
    /// [points] The last step of each, the mean over its steps, and their extremes.
    let step: [Double]
    let mean: [Double]
    let minimum: [Double]
    let maximum: [Double]

    init(_ series: BucketSeries) {
      step = series.buckets.map(\.lastX)
      mean = series.buckets.map(\.mean)
      minimum = series.buckets.map(\.minimum)
      maximum = series.buckets.map(\.maximum)
    }
  }

  struct Evaluation: Encodable {
    let step: Int
    let epoch: Double
    let isBest: Bool
    let trainLoss: Double?
    let scores: [String: Double?]
    let seconds: Double?
    let tokensPerSecond: Double?
    let peakMegabytes: Double?

    enum CodingKeys: String, CodingKey {
      case step, epoch, scores, seconds
      case isBest = "best"
      case trainLoss = "train_loss"
      case tokensPerSecond = "tokens_per_second"
      case peakMegabytes = "peak_rss_mb"
    }
  }

  struct Label: Encodable {
    let name: String
    let precision: Double
    let recall: Double
    let f1: Double
    let support: Int
    let threshold: Double?
  }

  struct Sweep: Encodable {
    let thresholds: [Double]
    let precision: [Double]
    let recall: [Double]
    let f1: [Double]
  }

  struct Timing: Encodable {
    let steps: Int
    let seconds: Double
    let tokens: Int
    let tokensPerSecond: Double?
    /// Of each rank, by phase.
    let phasesByRank: [String: [Double]]
    let curve: Curve

    enum CodingKeys: String, CodingKey {
      case steps, seconds, tokens, curve
      case tokensPerSecond = "tokens_per_second"
      case phasesByRank = "phases_by_rank"
    }
  }

  struct Event: Encodable {
    let event: String
    let step: Int
    let path: String
    let bytes: Double?
    let seconds: Double?
    let blockedSeconds: Double?
    let addedSeconds: Double?

    enum CodingKeys: String, CodingKey {
      case event, step, path, bytes, seconds
      case blockedSeconds = "blocked_seconds"
      case addedSeconds = "added_seconds"
    }
  }

  struct Run: Encodable {
    let path: String
    let name: String
    /// `running`, `finished` or `stopped`.
    let state: String
    let step: Int
    let totalSteps: Int?
    let epoch: Double
    let metric: String
    let bestStep: Int?
    let best: Double?
    let configuration: [String: String]
    let hashes: [String: String]
    let loss: Curve
    let learningRate: Curve
    let gradientNorm: Curve
    let rowsByRank: [Int]
    let tokensByRank: [Int]
    let evaluations: [Evaluation]
    let labels: [Label]
    let sweep: Sweep?
    let timing: Timing?
    let events: [Event]
    let notes: [String]

    enum CodingKeys: String, CodingKey {
      case path, name, state, step, epoch, metric, best, configuration, hashes, loss, evaluations
      case labels, sweep, timing, events, notes
      case totalSteps = "total_steps"
      case bestStep = "best_step"
      case learningRate = "learning_rate"
      case gradientNorm = "grad_norm"
      case rowsByRank = "rows_by_rank"
      case tokensByRank = "tokens_by_rank"
    }
  }

  let runs: [Run]

  package init(_ report: Report) {
    runs = zip(report.runs, report.names).map(Run.init)
  }
}

extension ReportNumbers.Run {
  init(_ run: RunHistory, name: String) {
    path = run.path
    self.name = name
    state = run.stateClass
    step = run.lastStep
    totalSteps = run.totalSteps
    epoch = run.lastEpoch
    metric = run.metric
    bestStep = run.bestEvaluation?.step
    best = run.bestEvaluation?.score(run.metric)
    configuration = Dictionary(
      run.settings.map { ($0.name, $0.text) }, uniquingKeysWith: { first, _ in first })
    hashes = Dictionary(
      run.hashes.map { ($0.name, $0.sha256) }, uniquingKeysWith: { first, _ in first })
    loss = ReportNumbers.Curve(run.loss)
    learningRate = ReportNumbers.Curve(run.learningRate)
    gradientNorm = ReportNumbers.Curve(run.gradientNorm)
    rowsByRank = run.rowsByRank
    tokensByRank = run.tokensByRank
    evaluations = run.evaluations.enumerated().map { index, one in
      ReportNumbers.Evaluation(
        step: one.step, epoch: one.epoch, isBest: index == run.best, trainLoss: one.trainLoss,
        scores: one.scores, seconds: one.seconds, tokensPerSecond: one.tokensPerSecond,
        peakMegabytes: one.peakMegabytes)
    }
    labels = run.detail.labels.map {
      ReportNumbers.Label(
        name: $0.name, precision: $0.precision, recall: $0.recall, f1: $0.f1, support: $0.support,
        threshold: $0.threshold)
    }
    let swept = run.detail.sweep
    sweep =
      swept.thresholds.isEmpty
      ? nil
      : ReportNumbers.Sweep(
        thresholds: swept.thresholds, precision: swept.precision, recall: swept.recall, f1: swept.f1
      )
    let timed = run.timing
    timing =
      timed.steps == 0
      ? nil
      : ReportNumbers.Timing(
        steps: timed.steps, seconds: timed.seconds, tokens: timed.tokens,
        tokensPerSecond: timed.seconds > 0 ? Double(timed.tokens) / timed.seconds : nil,
        phasesByRank: Dictionary(
          timed.phases.map { ($0.name, $0.secondsByRank) }, uniquingKeysWith: { first, _ in first }),
        curve: ReportNumbers.Curve(timed.throughput))
    events = run.events.map {
      ReportNumbers.Event(
        event: $0.kind, step: $0.step, path: $0.path, bytes: $0.bytes, seconds: $0.seconds,
        blockedSeconds: $0.blockedSeconds, addedSeconds: $0.addedSeconds)
    }
    notes = run.notes
  }
}
