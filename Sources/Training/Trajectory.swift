import Collectives
import Encoders

/// All that defines the parameters after every step, but for the world size, which does not.
///
/// A checkpoint carries it; a resumed run has the same one.
package struct Trajectory: Codable, Sendable, Equatable {
  package var seed: UInt64
  package var batchSize: Int
  /// Parts that every global batch is cut into: a power of two.
  package var microBatches: Int
  /// What `--micro-batches` asked for; more ranks than that raise it.
  package var requestedMicroBatches: Int?
  package var learningRate: Double
  package var weightDecay: Double
  package var warmupRatio: Double
  package var schedule: LearningRateSchedule.Shape
  package var maxGradNorm: Double
  /// nil: as the model's config.json has it.
  package var dropout: Double?
  /// nil: as the model's config.json has it.
  package var pooling: ModelConfiguration.Pooling?
  /// nil: 1.
  package var layerDecay: Double?
  /// nil: all layers are trained.
  package var frozenLayers: Int?
  /// [labels] nil: 1.
  package var positiveWeights: [Float]?
  package var exchange: TrainingOptions.Exchange
  /// SHA-256 of the training shards' manifest.
  package var trainSHA256: String
  /// Fingerprint of the tokenizer; nil where the model folder has none.
  package var vocabularySHA256: String?

  enum CodingKeys: String, CodingKey {
    case seed, schedule, dropout, pooling
    case batchSize = "batch_size"
    case microBatches = "micro_batches"
    case requestedMicroBatches = "requested_micro_batches"
    case learningRate = "learning_rate"
    case weightDecay = "weight_decay"
    case warmupRatio = "warmup_ratio"
    case maxGradNorm = "max_grad_norm"
    case layerDecay = "layer_decay"
    case frozenLayers = "frozen_layers"
    case positiveWeights = "positive_weights"
    case exchange = "all_reduce"
    case trainSHA256 = "train_sha256"
    case vocabularySHA256 = "vocabulary_sha256"
  }

  /// The trajectory of a new run, from validated options.
  ///
  /// - Parameter positiveWeights: [labels] What `options.positiveWeight` gives.
  package init(
    _ options: TrainingOptions, ranks: Int, positiveWeights: [Float]? = nil, trainSHA256: String,
    vocabularySHA256: String?
  ) {
    seed = options.seed ?? 42
    batchSize = options.batchSize ?? 8
    requestedMicroBatches = options.microBatches
    microBatches = options.microBatches ?? ReductionTree.defaultParts(ranks: ranks)
    learningRate = options.learningRate ?? 2e-5
    weightDecay = options.weightDecay ?? 0.01
    warmupRatio = options.warmupRatio ?? 0
    schedule = options.schedule ?? .linear
    maxGradNorm = options.maxGradNorm ?? 1
    dropout = options.dropout
    pooling = options.pooling
    layerDecay = options.layerDecay
    frozenLayers = options.frozenLayers
    self.positiveWeights = positiveWeights
    exchange = options.exchange ?? .tree
    self.trainSHA256 = trainSHA256
    self.vocabularySHA256 = vocabularySHA256
  }

  /// Raises V to the next power of two where the ranks have outgrown it.
  ///
  /// - Returns: Whether they had.
  package mutating func raiseMicroBatches(toRanks ranks: Int) -> Bool {
    let least = ReductionTree.defaultParts(ranks: ranks)
    guard microBatches < least else { return false }
    microBatches = least
    return true
  }

  /// Refuses flags and data that would leave the checkpoint's trajectory.
  ///
  /// - Throws: `TrainingError` naming both values.
  package func check(
    against options: TrainingOptions, positiveWeights: [Float]? = nil, trainSHA256: String,
    vocabularySHA256: String?
  ) throws {
    func same<Value: Equatable>(_ flag: String, _ given: Value?, _ saved: Value) throws {
      guard let given, given != saved else { return }
      throw TrainingError(
        .usage, flag, expected: "\(saved), as in the checkpoint that this run resumes",
        found: "\(given)", remedy: "leave the flag out, or start anew in another --output")
    }
    try same("--seed", options.seed, seed)
    try same("--batch-size", options.batchSize, batchSize)
    try same("--learning-rate", options.learningRate, learningRate)
    try same("--weight-decay", options.weightDecay, weightDecay)
    try same("--warmup-ratio", options.warmupRatio, warmupRatio)
    try same("--schedule", options.schedule?.rawValue, schedule.rawValue)
    try same("--max-grad-norm", options.maxGradNorm, maxGradNorm)
    if options.microBatches != requestedMicroBatches {
      try same("--micro-batches", options.microBatches, microBatches)
    }
    func sameIfGiven<Value: Equatable>(_ flag: String, _ given: Value?, _ saved: Value?) throws {
      if let saved { return try same(flag, given, saved) }
      guard let given else { return }
      throw TrainingError(
        .usage, flag, expected: "none given, as in the run that this one resumes",
        found: "\(given)", remedy: "leave the flag out, or start anew in another --output")
    }
    try sameIfGiven("--dropout", options.dropout, dropout)
    try sameIfGiven("--pooling", options.pooling?.rawValue, pooling?.rawValue)
    try sameIfGiven("--layer-decay", options.layerDecay, layerDecay)
    try sameIfGiven("--freeze-layers", options.frozenLayers, frozenLayers)
    try sameIfGiven("--positive-weight", positiveWeights, self.positiveWeights)
    try same("--all-reduce", options.exchange?.rawValue, exchange.rawValue)
    try same("--train (SHA-256 of its manifest)", trainSHA256, self.trainSHA256)
    if let saved = self.vocabularySHA256 {
      try same("--model (SHA-256 of its vocabulary)", vocabularySHA256, saved)
    }
  }
}

extension TrainingOptions {
  /// Refuses values outside their ranges before anything is read.
  ///
  /// - Throws: `TrainingError` naming the flag.
  package func validate() throws {
    func require(_ holds: Bool, _ flag: String, _ expected: String, _ found: Any?) throws {
      guard !holds else { return }
      throw TrainingError(
        .usage, flag, expected: expected, found: found.map { "\($0)" } ?? "nothing",
        remedy: "correct the flag or the recipe")
    }
    func inRange<Value: Comparable>(
      _ value: Value?, _ flag: String, from low: Value, to high: Value? = nil
    ) throws {
      guard let value else { return }
      // A NaN compares false with everything, so it is refused here too.
      let holds = value >= low && (high.map { value <= $0 } ?? true)
      try require(
        holds, flag, high.map { "a value from \(low) to \($0)" } ?? "a value of at least \(low)",
        value)
    }
    try inRange(epochs, "--epochs", from: 1, to: 1 << 20)
    try inRange(maxSteps, "--max-steps", from: 1, to: 1 << 31)
    try inRange(batchSize, "--batch-size", from: 1, to: 1 << 20)
    try inRange(microBatches, "--micro-batches", from: 1, to: 1 << 16)
    if let microBatches {
      try require(
        microBatches & (microBatches - 1) == 0, "--micro-batches", "a power of two", microBatches)
    }
    try inRange(learningRate, "--learning-rate", from: 0, to: 1e3)
    try inRange(weightDecay, "--weight-decay", from: 0, to: 1e3)
    try inRange(warmupRatio, "--warmup-ratio", from: 0, to: 1)
    try inRange(maxGradNorm, "--max-grad-norm", from: 0, to: .greatestFiniteMagnitude)
    try inRange(dropout, "--dropout", from: 0, to: 0.999)
    try inRange(layerDecay, "--layer-decay", from: 0.01, to: 1)
    try inRange(frozenLayers, "--freeze-layers", from: 0, to: 1 << 10)
    try inRange(keep, "--keep", from: 1)
    try inRange(patience, "--patience", from: 1)
    try inRange(threads, "--threads", from: 1, to: 1024)
    try inRange(maxShardBytes, "--max-shard-size", from: 1)
    try inRange(stopAt, "--stop-at", from: 1)
    try inRange(checkReplicasEvery, "--check-replicas-every", from: 0)
    try inRange(watchdog, "--watchdog", from: 0, to: 1e6)
    if watchdog > 0 { try inRange(watchdog, "--watchdog", from: 1) }
  }
}
