import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Shards

/// Everything that a run has in hand before its first step. Every rank ends up with the same.
struct TrainingSetup {
  let train: ShardFolder
  let validation: ShardFolder
  private(set) var configuration: ModelConfiguration
  let vocabulary: VocabularyIdentity?
  var trajectory: Trajectory
  /// What hides words in pre-training; nil for other tasks.
  let masking: WordMasking?
  /// Of the checkpoint that the run resumes.
  let resumed: TrainerState?
  /// That checkpoint; rank 0 only.
  let checkpoint: Checkpoint?
  /// Rank 0 only.
  let run: OpenRun?
  /// Of a new run with pretrained weights; rank 0 only.
  let baseModel: BaseModel?

  /// Opens and checks everything. Whatever fails fails on all ranks.
  ///
  /// - Parameter readVocabulary: Called on rank 0; nil where the model folder has no tokenizer.
  init(
    _ options: TrainingOptions, _ communicator: Communicator, _ report: ConsoleReport,
    _ interruption: Interruption, readVocabulary: () throws -> VocabularyIdentity?
  ) throws {
    let progress: (Int) throws -> Void = { _ in
      communicator.worked()
      if interruption.isSignalled { throw Interrupted() }
    }
    communicator.enter("opening the shards")
    (train, validation) = try communicator.agree {
      let train = try ShardFolder(path: options.train, progress: progress)
      let validation = try ShardFolder(path: options.validation, progress: progress)
      try requireRows(train, options.train)
      try requireRows(validation, options.validation)
      try requireSameLabels(train: train, validation: validation, options)
      return (train, validation)
    }
    try Self.requireSameShards(train, validation, communicator)
    if options.verifyShards == .start {
      communicator.enter("verifying the shards")
      try communicator.agree { [train, validation] in
        for data in [train, validation] {
          for shard in stride(
            from: communicator.rank, to: data.shardPaths.count, by: communicator.size)
          { try data.verifyShard(shard, progress: progress) }
        }
      }
    }

    let isRoot = communicator.rank == 0
    communicator.enter("opening the run")
    let vocabulary = try communicator.agree { isRoot ? try readVocabulary() : nil }
    if isRoot, vocabulary == nil {
      report.warn("\(options.model) has no tokenizer: checkpoints will not have one either")
    }
    let run = try communicator.agree {
      isRoot && !options.isDryRun
        ? try OpenRun(path: options.output, whileWaiting: { try progress(0) }) : nil
    }
    let folder = RunFolder(path: options.output)
    communicator.enter("verifying the checkpoint")
    let checkpoint = try communicator.agree {
      isRoot ? try findCheckpoint(options, in: folder, report, progress) : nil
    }
    resumed = try communicator.share {
      try checkpoint.map { try adopt($0, in: folder, mendsLinks: !options.isDryRun).json() }
    }.map { try TrainerState(json: $0, path: "trainer_state.json") }
    configuration = try Self.readConfiguration(
      options, communicator, checkpoint: checkpoint, resumed: resumed != nil,
      vocabularyCount: vocabulary?.count,
      frozenLayers: resumed.map(\.trajectory.frozenLayers) ?? options.frozenLayers, train,
      validation)
    try communicator.agree { [configuration] in
      guard isRoot, checkpoint != nil || !options.startsFromScratch else { return }
      try requireTensors(
        of: EncoderModel(configuration),
        in: ModelFolder(path: checkpoint?.path ?? options.model),
        allowingNewHead: checkpoint == nil)
    }
    let shared = try communicator.share {
      try vocabulary.map { try JSONEncoder().encode($0) }
    }.map { try JSONDecoder().decode(VocabularyIdentity.self, from: $0) }
    let vocabularySHA256 = shared?.sha256
    communicator.enter("counting labels")
    let positiveWeights = try communicator.share { [train] in
      try options.positiveWeight.map {
        try JSONEncoder().encode(PositiveWeights.resolve($0, for: train, progress: progress))
      }
    }.map { try JSONDecoder().decode([Float].self, from: $0) }
    trajectory = try Self.resolveTrajectory(
      options, communicator, report, resumed: resumed, positiveWeights: positiveWeights,
      train: train, validation: validation, vocabularySHA256: vocabularySHA256)
    configuration.positiveWeights = trajectory.positiveWeights
    masking = try communicator.agree { [configuration, trajectory] in
      guard configuration.task == .pretraining else { return nil }
      guard let shared else {
        throw TrainingError(
          .data, options.model, expected: "a tokenizer, which knows the mask token", found: "none",
          remedy: "put tokenizer.json or vocab.txt into the folder")
      }
      return try shared.masking(
        seed: trajectory.seed, vocabularySize: configuration.vocabularySize, of: options.model)
    }
    communicator.enter("hashing the weights")
    baseModel = try communicator.agree {
      guard isRoot, checkpoint == nil, !options.startsFromScratch, !options.isDryRun else {
        return nil
      }
      return try BaseModel(modelFolder: options.model, progress: progress)
    }
    self.vocabulary = vocabulary
    self.run = run
    self.checkpoint = checkpoint
  }
}

extension TrainingSetup {
  /// Refuses nodes whose copies of the shards differ: they would train on different rows.
  private static func requireSameShards(
    _ train: ShardFolder, _ validation: ShardFolder, _ communicator: Communicator
  ) throws {
    let mine = train.manifestSHA256 + " " + validation.manifestSHA256
    let expected = try communicator.share { Data(mine.utf8) }
    try communicator.agree {
      guard expected == Data(mine.utf8) else {
        throw TrainingError(
          .data, "rank \(communicator.rank) on \(communicator.host): \(train.path)",
          expected: "the shards of rank 0", found: "others (SHA-256 \(train.manifestSHA256))",
          remedy: "copy the same shard folders to every node")
      }
    }
  }

  /// The model's configuration as rank 0 reads it: from the checkpoint, or from the model folder with
  /// the labels of the shards.
  private static func readConfiguration(
    _ options: TrainingOptions, _ communicator: Communicator, checkpoint: Checkpoint?,
    resumed: Bool, vocabularyCount: Int?, frozenLayers: Int?, _ train: ShardFolder,
    _ validation: ShardFolder
  ) throws -> ModelConfiguration {
    let path = resumed ? "config.json of the checkpoint" : options.model + "/config.json"
    let json = try communicator.share {
      if checkpoint == nil, let size = options.size {
        return try sizedConfiguration(
          size, vocabularyCount: vocabularyCount, modelFolder: options.model
        ).json()
      }
      let configuration = try ModelConfiguration(modelFolder: checkpoint?.path ?? options.model)
      return try configuration.json()
    }
    guard let json else { preconditionFailure("rank 0 always reads a configuration") }
    return try communicator.agree {
      var configuration = try ModelConfiguration(json: json, path: path)
      for (data, path) in [(train, options.train), (validation, options.validation)]
      where data.maxLength > configuration.maxTokens {
        throw TrainingError(
          .data, path,
          expected: "rows of at most \(configuration.maxTokens) tokens, the model's positions",
          found: "a max_length of \(data.maxLength)",
          remedy: "cut the shards with --max-length \(configuration.maxTokens)")
      }
      configuration.frozenLayers = frozenLayers
      if let frozenLayers, frozenLayers > configuration.layerCount {
        throw TrainingError(
          .usage, "--freeze-layers",
          expected: "at most \(configuration.layerCount), the model's layers",
          found: "\(frozenLayers)", remedy: "freeze fewer")
      }
      guard !resumed else { return configuration }
      if let pooling = options.pooling { configuration.pooling = pooling }
      configuration.labelNames = train.labelNames
      configuration.task = Task(train.task)
      if configuration.task == .pretraining {
        try requirePretrainingHead(of: configuration.architecture, path: path)
      }
      if let dropout = options.dropout { configuration.setDropout(Float(dropout)) }
      return configuration
    }
  }

  private static func resolveTrajectory(
    _ options: TrainingOptions, _ communicator: Communicator, _ report: ConsoleReport,
    resumed: TrainerState?, positiveWeights: [Float]?, train: ShardFolder,
    validation: ShardFolder, vocabularySHA256: String?
  ) throws -> Trajectory {
    try communicator.agree {
      for data in [train, validation] {
        try vocabularySHA256.map { try data.requireVocabulary($0, of: options.model) }
      }
      let names = Task(train.task).metricNames
      if let metric = options.metric, !names.contains(metric.rawValue) {
        throw TrainingError(
          .usage, "--metric",
          expected: "one of \(train.task.rawValue): \(names.joined(separator: ", "))",
          found: metric.rawValue, remedy: "name one of these")
      }
      if let saved = resumed?.bestMetricName, let given = options.metric, given != saved {
        throw TrainingError(
          .usage, "--metric", expected: "\(saved.rawValue), as in the run that this one resumes",
          found: given.rawValue,
          remedy: "leave the flag out, or start anew in another --output")
      }
      try resumed?.trajectory.check(
        against: options, positiveWeights: positiveWeights, trainSHA256: train.manifestSHA256,
        vocabularySHA256: vocabularySHA256)
      try resumed?.requireCursor(inEpochOf: train.rows, path: "trainer_state.json")
      try resumed?.requireLabels(train.labelNames.count, path: "trainer_state.json")
      var trajectory =
        resumed?.trajectory
        ?? Trajectory(
          options, ranks: communicator.size, positiveWeights: positiveWeights,
          trainSHA256: train.manifestSHA256, vocabularySHA256: vocabularySHA256)
      let before = trajectory.microBatches
      if trajectory.raiseMicroBatches(toRanks: communicator.size) {
        report.warn(
          "\(communicator.size) ranks need \(trajectory.microBatches) micro-batches instead of "
            + "\(before): the parameters will differ in their last bits from a run on fewer ranks")
      }
      return trajectory
    }
  }
}

extension Communicator {
  /// Bytes that rank 0 has for everyone; nil where it has none.
  func share(_ body: () throws -> Data?) throws -> Data? {
    let mine = try agree { rank == 0 ? try body() : nil }
    let tagged = mine.map { [UInt8(1)] + $0 } ?? [0]
    let shared = try broadcast(tagged, from: 0)
    return shared[0] == 1 ? Data(shared.dropFirst()) : nil
  }

  /// Does something on rank 0 while the others sleep; all fail if it does.
  ///
  /// - Parameters:
  ///   - phase: what it is, for the watchdog's message.
  ///   - step: the global step, from 1; 0 before the first.
  func onRoot<Value>(
    _ phase: String, step: Int = 0, _ body: () throws -> Value
  ) throws -> Value? {
    enter(rank == 0 ? phase : "waiting for rank 0", step: step)
    return try agree { rank == 0 ? try body() : nil }
  }
}

extension ShardFolder {
  /// Refuses rows whose ids stand for other tokens than the model's.
  ///
  /// - Throws: `TrainingError` naming both vocabularies; nothing where the shards record none.
  package func requireVocabulary(_ expected: String, of model: String) throws {
    guard let found = vocabularySHA256, found != expected else { return }
    throw TrainingError(
      .data, path, expected: "token ids of the vocabulary of \(model) (\(expected))",
      found: "ids of vocabulary \(found)", remedy: "cut the shards again with --model \(model)")
  }
}

private func requireRows(_ data: ShardFolder, _ path: String) throws {
  guard data.rows == 0 else { return }
  throw TrainingError(
    .data, path, expected: "at least one row", found: "none", remedy: "shard a file with rows")
}

private func requireSameLabels(
  train: ShardFolder, validation: ShardFolder, _ options: TrainingOptions
) throws {
  guard train.task == validation.task else {
    throw TrainingError(
      .data, options.validation,
      expected: "shards for \(train.task.rawValue), as \(options.train) is",
      found: "shards for \(validation.task.rawValue)",
      remedy: "shard both files with the same --task")
  }
  guard train.labelNames != validation.labelNames else { return }
  let unknown = validation.labelNames.filter { !train.labelNames.contains($0) }
  let missing = train.labelNames.filter { !validation.labelNames.contains($0) }
  let found =
    !unknown.isEmpty
    ? "also \(unknown.joined(separator: ", "))"
    : !missing.isEmpty ? "no \(missing.joined(separator: ", "))" : "them in another order"
  throw TrainingError(
    .data, options.validation,
    expected: "the labels of \(options.train): \(train.labelNames.joined(separator: ", "))",
    found: found, remedy: "shard both files with the same --labels")
}
