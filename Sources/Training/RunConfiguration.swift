import Collectives
import Shards

/// run.json: what a run resolved to, by the names of the command line's flags.
struct RunConfiguration: Encodable {
  private let model: String
  private let size: String?
  private let initialWeights: String
  private let train: String
  private let validation: String
  private let output: String
  private let resume: String
  private let epochs: Int
  private let maxSteps: Int?
  private let totalSteps: Int
  private let evaluateEvery: String
  private let evaluationRanks: String
  private let saveEvery: String
  private let keep: Int
  private let metric: BestMetric
  private let patience: Int?
  private let stopAt: Int?
  private let threads: Int
  private let ranks: Int
  private let maxShardSize: Int
  private let verifyShards: String
  private let saveMode: TrainingOptions.SaveMode
  private let overlap: TrainingOptions.Overlap
  private let watchdog: Double
  private let checkReplicasEvery: Int
  private let tensorboard: Bool
  private let trace: String?
  private let task: String
  /// Empty for a task without labels.
  private let labelNames: [String]
  /// SHA-256 of the validation shards' manifest; the trajectory has that of the training shards.
  private let validationSHA256: String
  private let trajectory: Trajectory

  enum CodingKeys: String, CodingKey {
    case model, size, train, validation, output, resume, epochs, keep, metric, patience, threads,
      ranks, task
    case initialWeights = "initial_weights"
    case stopAt = "stop_at"
    case labelNames = "label_names"
    case validationSHA256 = "validation_sha256"
    case maxSteps = "max_steps"
    case totalSteps = "total_steps"
    case evaluateEvery = "evaluate_every"
    case evaluationRanks = "evaluation_ranks"
    case saveEvery = "save_every"
    case maxShardSize = "max_shard_size"
    case verifyShards = "verify_shards"
    case saveMode = "save_mode"
    case watchdog, overlap, tensorboard, trace
    case checkReplicasEvery = "check_replicas_every"
  }

  init(
    _ options: TrainingOptions, _ trajectory: Trajectory, _ state: TrainerState,
    validation data: ShardFolder, _ communicator: Communicator, threads: Int
  ) {
    model = options.model
    size = options.size
    initialWeights = options.initialWeights.rawValue
    train = options.train
    validation = options.validation
    output = options.output
    resume = options.resume.description
    epochs = state.numTrainEpochs
    maxSteps = state.requestedMaxSteps
    totalSteps = state.maxSteps
    evaluateEvery = options.evaluateEvery.description
    evaluationRanks = options.evaluationRanks.rawValue
    saveEvery = options.saveEvery.description
    keep = options.keep
    metric = state.bestMetricName
    patience = options.patience
    stopAt = options.stopAt
    self.threads = threads
    ranks = communicator.size
    maxShardSize = options.maxShardBytes
    verifyShards = options.verifyShards.rawValue
    saveMode = options.saveMode
    overlap = options.overlap
    watchdog = options.watchdog
    checkReplicasEvery = options.checkReplicasEvery
    tensorboard = options.tensorboard
    trace = options.trace?.description
    task = data.task.rawValue
    labelNames = data.labelNames
    validationSHA256 = data.manifestSHA256
    self.trajectory = trajectory
  }

  /// One flat object: the trajectory's keys beside the others.
  func encode(to encoder: any Encoder) throws {
    try trajectory.encode(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(model, forKey: .model)
    try values.encode(size, forKey: .size)
    try values.encode(initialWeights, forKey: .initialWeights)
    try values.encode(train, forKey: .train)
    try values.encode(validation, forKey: .validation)
    try values.encode(output, forKey: .output)
    try values.encode(resume, forKey: .resume)
    try values.encode(epochs, forKey: .epochs)
    try values.encode(maxSteps, forKey: .maxSteps)
    try values.encode(totalSteps, forKey: .totalSteps)
    try values.encode(evaluateEvery, forKey: .evaluateEvery)
    try values.encode(evaluationRanks, forKey: .evaluationRanks)
    try values.encode(saveEvery, forKey: .saveEvery)
    try values.encode(keep, forKey: .keep)
    try values.encode(metric, forKey: .metric)
    try values.encode(patience, forKey: .patience)
    try values.encode(stopAt, forKey: .stopAt)
    try values.encode(threads, forKey: .threads)
    try values.encode(ranks, forKey: .ranks)
    try values.encode(task, forKey: .task)
    try values.encode(labelNames, forKey: .labelNames)
    try values.encode(validationSHA256, forKey: .validationSHA256)
    try values.encode(maxShardSize, forKey: .maxShardSize)
    try values.encode(verifyShards, forKey: .verifyShards)
    try values.encode(saveMode.rawValue, forKey: .saveMode)
    try values.encode(overlap.rawValue, forKey: .overlap)
    try values.encode(watchdog, forKey: .watchdog)
    try values.encode(checkReplicasEvery, forKey: .checkReplicasEvery)
    try values.encode(tensorboard, forKey: .tensorboard)
    try values.encodeIfPresent(trace, forKey: .trace)
  }
}
