import Checkpoints
import Collectives
import Encoders
import Foundation
import Manifests
import Shards

/// What a run would do, found out as the run itself does, but without writing anything.
package struct RunPlan: Encodable {
  /// Ranks that do the same number of micro-batches of each step.
  package struct Share: Encodable {
    package let ranks: ClosedRange<Int>
    package let microBatches: Int

    /// `0`, or `0 to 3`.
    package var text: String {
      ranks.count == 1 ? "\(ranks.lowerBound)" : "\(ranks.lowerBound) to \(ranks.upperBound)"
    }

    private enum CodingKeys: String, CodingKey {
      case first, last
      case microBatches = "micro_batches"
    }

    package func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(ranks.lowerBound, forKey: .first)
      try values.encode(ranks.upperBound, forKey: .last)
      try values.encode(microBatches, forKey: .microBatches)
    }
  }

  /// Bounds from above, in bytes. What the programs, libraries, decoded shards and messages take is not
  /// in them.
  package struct Memory: Encodable {
    /// Weights, both moments, and the gradients of the micro-batches that are being summed.
    package let state: Int
    /// Of the micro-batches that go through the model together, and of a batch of an evaluation, where all
    /// rows are as long as the longest.
    package let activations: Int
    /// What a save beside the training copies of weights and moments, on rank 0.
    package let save: Int
  }

  package let task: String
  /// What the parameters are before the first step.
  package let start: String
  /// Of the checkpoint that the run resumes; 0 for a new run.
  package let resumedStep: Int
  package let trainRows: Int
  package let validationRows: Int
  package let stepsPerEpoch: Int
  package let totalSteps: Int
  package let stepsLeft: Int
  package let epochs: Int
  package let parameters: Int
  package let trainedParameters: Int
  package let ranks: Int
  package let microBatches: Int
  package let shares: [Share]
  package let memory: Memory

  private let resolved: RunConfiguration
  private let dropout: Float
  private let pooling: ModelConfiguration.Pooling
  private let asksForPooling: Bool

  private enum CodingKeys: String, CodingKey {
    case task, start, epochs, parameters, ranks, shares, memory
    case resumedStep = "resumed_step"
    case trainRows = "train_rows"
    case validationRows = "validation_rows"
    case stepsPerEpoch = "steps_per_epoch"
    case totalSteps = "total_steps"
    case stepsLeft = "steps_left"
    case trainedParameters = "trained_parameters"
    case microBatches = "micro_batches"
  }

  /// Opens and checks everything that the run would before its first step; a collective call.
  ///
  /// - Parameters:
  ///   - options: Of a dry run.
  ///   - readVocabulary: Called on rank 0; nil where the model folder has no tokenizer.
  /// - Throws: What the run itself would; on all ranks.
  package init(
    _ options: TrainingOptions, _ communicator: Communicator, _ report: ConsoleReport,
    _ interruption: Interruption, readVocabulary: () throws -> VocabularyIdentity?
  ) throws {
    precondition(options.isDryRun, "a plan writes nothing")
    try communicator.agree { try options.validate() }
    let setup = try TrainingSetup(
      options, communicator, report, interruption, readVocabulary: readVocabulary)
    let model = EncoderModel(setup.configuration)
    try communicator.agree {
      guard communicator.rank == 0 else { return }
      try requireWritable(options.output, report)
      if setup.checkpoint == nil, !options.startsFromScratch {
        try requireLabels(
          of: ModelFolder(path: options.model), for: model, train: setup.train,
          modelPath: options.model)
      }
    }
    let trajectory = setup.trajectory
    let perEpoch = (setup.train.rows + trajectory.batchSize - 1) / trajectory.batchSize
    let threads = options.threads ?? defaultThreads(localRanks: communicator.localSize)
    let state = Trainer.initialState(
      setup, options, communicator, threads: threads, stepsPerEpoch: perEpoch)
    if let resumed = setup.resumed { report.warnOfNewEnd(state, resumed: resumed) }
    report.warn(ofTraces: options.trace, beyond: state)
    task = setup.configuration.task.rawValue
    start = Self.start(options, setup)
    resumedStep = state.globalStep
    trainRows = setup.train.rows
    validationRows = setup.validation.rows
    stepsPerEpoch = perEpoch
    totalSteps = state.maxSteps
    stepsLeft = state.isOver ? 0 : state.maxSteps - state.globalStep
    epochs = state.numTrainEpochs
    parameters = model.layout.count
    trainedParameters = model.layout.parameters.filter(\.isTrained).reduce(0) { $0 + $1.count }
    ranks = communicator.size
    microBatches = trajectory.microBatches
    shares = Self.shares(parts: trajectory.microBatches, ranks: communicator.size)
    memory = Self.memory(
      model, parts: shares.map(\.microBatches).max() ?? 1, trajectory,
      longest: (setup.train.maxLength, setup.validation.maxLength), threads: threads)
    resolved = RunConfiguration(
      options, trajectory, state, validation: setup.validation, communicator, threads: threads)
    dropout = setup.configuration.hiddenDropout
    pooling = setup.configuration.pooling
    asksForPooling = trajectory.pooling != nil
  }
}

// Where settings come from.
extension RunPlan {
  /// The settings by the keys of run.json, those of the model's config.json filled in.
  package func configuration() throws -> [String: JSONValue] {
    let json = try JSONEncoder().encode(resolved)
    var values = try JSONDecoder().decode([String: JSONValue].self, from: json)
    if values["dropout"] ?? .null == .null {
      // As it is written, not as the nearest float is.
      values["dropout"] = .number(Double("\(dropout)") ?? Double(dropout))
    }
    if !asksForPooling { values["pooling"] = .string(pooling.rawValue) }
    return values
  }

  /// Whether a setting is that of the checkpoint that the run resumes, whatever the user gave: another
  /// value would have been refused.
  package func comesFromCheckpoint(_ key: String, isGiven: Bool) -> Bool {
    guard resumedStep > 0 else { return false }
    if ["epochs", "max_steps"].contains(key) { return !isGiven }
    return key == "metric" || Trajectory.CodingKeys(stringValue: key) != nil
  }

  /// Where a setting comes from that neither the user nor a checkpoint gave.
  package func unaskedOrigin(of key: String) -> String {
    switch key {
    case "dropout", "pooling": "model"
    case "threads": "machine"
    default: "default"
    }
  }
}

extension RunPlan {
  private static func start(_ options: TrainingOptions, _ setup: TrainingSetup) -> String {
    if let checkpoint = setup.checkpoint { return "the checkpoint \(checkpoint.path)" }
    return options.startsFromScratch ? "random weights" : "the weights of \(options.model)"
  }

  private static func shares(parts: Int, ranks: Int) -> [Share] {
    let tree = ReductionTree(parts: parts, ranks: ranks)
    return (0..<ranks).reduce(into: []) { shares, rank in
      let count = tree.parts(of: rank).count
      if let last = shares.last, last.microBatches == count {
        shares[shares.count - 1] = Share(
          ranks: last.ranks.lowerBound...rank, microBatches: count)
      } else {
        shares.append(Share(ranks: rank...rank, microBatches: count))
      }
    }
  }

  /// - Parameters:
  ///   - parts: The most micro-batches that a rank has.
  ///   - longest: Tokens of a row.
  private static func memory(
    _ model: EncoderModel, parts: Int, _ trajectory: Trajectory,
    longest: (train: Int, validation: Int), threads: Int
  ) -> Memory {
    let float = MemoryLayout<Float>.size
    let layout = model.layout
    // One for each level of the rank's own part of the tree.
    let gradients = parts.trailingZeroBitCount + 1
    let rows = (trajectory.batchSize + trajectory.microBatches - 1) / trajectory.microBatches
    func floats(tokens: Int, rows: Int, longest: Int, isTraining: Bool) -> Int {
      // 15 of 100 words are hidden, in a batch of some rows never a quarter.
      let masked = model.configuration.task == .pretraining ? (tokens + 3) / 4 : 0
      return Activations.mostFloats(
        model, tokens: tokens, sequences: rows, longest: longest, masked: masked,
        isTraining: isTraining, threads: threads)
    }
    let together = model.sumsPartsTogether ? parts : 1
    let training = floats(
      tokens: max(
        rows * longest.train, min(together * rows * longest.train, Replica.tokensTogether)),
      rows: together * rows, longest: longest.train, isTraining: true)
    let evaluation = floats(
      tokens: Evaluator.batchSize * longest.validation, rows: Evaluator.batchSize,
      longest: longest.validation, isTraining: false)
    return Memory(
      state: float * (3 * layout.count + gradients * layout.dense.count),
      activations: float * (training + evaluation),
      save: float * 3 * layout.count)
  }
}

/// Refuses a run folder that could not be made or written, and says who else is using it.
private func requireWritable(_ output: String, _ report: ConsoleReport) throws {
  if let holder = OpenRun.holder(of: output) {
    report.warn("\(output) is in use by \(holder): a run waits for it, and gives up after 30 s")
  }
  var path = URL(fileURLWithPath: output).path
  while !exists(path), path != "/" { path = splitPath(path).parent }
  guard isFolder(path), access(path, W_OK | X_OK) == 0 else {
    throw TrainingError(
      .data, output, expected: "a run folder that can be created and written",
      found: isFolder(path) ? "\(path), which cannot be written" : "\(path), which is no folder",
      remedy: "choose another --output")
  }
}
