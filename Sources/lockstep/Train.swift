import ArgumentParser
import Collectives
import Encoders
import Foundation
import Tokenizers
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tunes a model over the ranks that mpirun started.",
    discussion: """
      Without mpirun it is one rank. The batch size is that of all ranks together, so the number of \
      ranks changes the speed and never the learning. A run folder that holds checkpoints is \
      resumed. SIGTERM, SIGINT and SIGUSR1 save after the current step and exit with 75.
      """)

  @Option(help: "Folder of the pretrained model, in Hugging Face's layout.", completion: .directory)
  var model: String
  @Option(
    help: """
      Train a BERT of this size from random weights, with the tokenizer of --model: \
      \(ModelConfiguration.sizes.joined(separator: ", ")).
      """, completion: .list(ModelConfiguration.sizes))
  var size: String?
  @Option(help: "Weights to begin with: pretrained, or random ones for the config.json of --model.")
  var initialWeights = TrainingOptions.InitialWeights.pretrained
  @Option(help: "Shards to train on.", completion: .directory)
  var train: String
  @Option(help: "Shards to evaluate on.", completion: .directory)
  var validation: String
  @Option(help: "Run folder: checkpoints, metrics.jsonl, run.json.", completion: .directory)
  var output: String
  @Option(
    help: "YAML file with any of these flags; the command line overrides it.",
    completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String?

  @Option(help: "Passes over the training rows. (default: 5)")
  var epochs: Int?
  @Option(help: "Optimizer steps, in place of epochs.")
  var maxSteps: Int?
  @Option(help: "Rows a step over all ranks. (default: 8)")
  var batchSize: Int?
  @Option(
    help: "Parts that each batch is cut into, a power of two. (default: the ranks, rounded up)")
  var microBatches: Int?
  @Option(help: "Peak learning rate. (default: 2e-5)")
  var learningRate: Double?
  @Option(help: "Decoupled weight decay of all but biases and norms. (default: 0.01)")
  var weightDecay: Double?
  @Option(help: "Share of the steps in which the rate rises from 0. (default: 0)")
  var warmupRatio: Double?
  @Option(help: "How the rate falls afterwards. (default: linear)")
  var schedule: LearningRateSchedule.Shape?
  @Option(help: "Norm that gradients are clipped to; 0 for none. (default: 1)")
  var maxGradNorm: Double?
  @Option(help: "Every dropout probability. (default: the model's)")
  var dropout: Double?
  @Option(help: "What the head reads of a row: cls (its first token) or mean. (default: cls)")
  var pooling: ModelConfiguration.Pooling?
  @Option(help: "Factor of the learning rate for each layer further from the head. (default: 1)")
  var layerDecay: Double?
  @Option(
    help: "Layers that are not trained, from the first on, embeddings included; 0: these alone.")
  var freezeLayers: Int?
  @Option(
    help: """
      Multi-label: what each label's positive term of the loss is multiplied by; auto (rows without the \
      label over rows with it) or a JSON file of a number for each label. (default: 1)
      """, completion: .file(extensions: ["json"]))
  var positiveWeight: TrainingOptions.PositiveWeight?
  @Option(help: "Seed of the epoch order, dropout and new weights. (default: 42)")
  var seed: UInt64?
  @Option(help: "Gradient exchange; mpi is for comparison. (default: tree)")
  var allReduce: TrainingOptions.Exchange?

  @Option(help: "auto, never, or the path of a checkpoint.", completion: .directory)
  var resume = "auto"
  @Option(help: "epoch, or a number of steps.", completion: .list(["epoch"]))
  var evaluateEvery = TrainingOptions.Interval.epoch
  @Option(help: "all share an evaluation, 1: rank 0 alone does it; the metrics are the same.")
  var evaluationRanks = TrainingOptions.EvaluationRanks.all
  @Option(help: "epoch, or a number of steps.", completion: .list(["epoch"]))
  var saveEvery = TrainingOptions.Interval.epoch
  @Option(help: "Newest checkpoints kept beside the best.")
  var keep = 2
  @Option(
    help: "Metric that decides which checkpoint is the best. (default: the task's first, e.g. f1)",
    completion: .list(BestMetric.names))
  var metric: BestMetric?
  @Option(help: "Evaluations without improvement after which training ends.")
  var patience: Int?
  @Option(help: "Threads of a rank. (default: its cores)")
  var threads: Int?
  @Option(help: "Largest weight or optimizer file, e.g. 500MB.")
  var maxShardSize = ByteCount(5_000_000_000)
  @Option(help: "async trains on while a checkpoint is written, sync waits.")
  var saveMode = TrainingOptions.SaveMode.async
  @Option(
    help: "Whether gradients are exchanged beside the backward pass; auto: between several hosts.")
  var overlap = TrainingOptions.Overlap.auto
  @Option(help: "When to check the shards' SHA-256.")
  var verifyShards = TrainingOptions.ShardVerification.start
  @Option(help: "Save after this step and exit with 75, as if preempted.")
  var stopAt: Int?
  @Option(
    help: """
      Save and exit with 75 before this much time is over, e.g. 90m, 3600s, 2h, 01:30:00. The end of \
      a Slurm job is heeded anyhow.
      """)
  var timeLimit: TimeSpan?
  @Option(help: "Seconds without a sign of life of a rank after which the job ends; 0: never.")
  var watchdog = 300.0
  @Option(help: "Steps between comparisons of the ranks' parameters; 0: never.")
  var checkReplicasEvery = 100
  @Flag(
    inversion: .prefixedNo,
    help: "Write the curves of metrics.jsonl for TensorBoard too, to tensorboard in the run.")
  var tensorboard = false
  @Option(
    help: """
      Steps of which a timeline of every rank is written, to trace-STEP.json in the run, for \
      ui.perfetto.dev: 20, 20:25 or 20:25,400.
      """)
  var trace: TracedSteps?
  @Flag(
    help: """
      Read and check what training would, print the resolved configuration and the plan, and write \
      nothing.
      """)
  var dryRun = false
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func run() throws {
    if dryRun { return try showPlan() }
    // Before any thread starts, so that a signal in the first second is not lost.
    let interruption = Interruption(
      deadline: try Deadline.find(
        timeLimit: timeLimit?.duration, environment: ProcessInfo.processInfo.environment))
    let communicator = try Communicator(exitCode: ExitCodes.code)
    let report = ConsoleReport(isSilent: communicator.rank != 0)
    let outcome: Trainer.Outcome
    do {
      let trainer = try Trainer(
        options, communicator: communicator, report: report, interruption: interruption,
        readVocabulary: { try VocabularyIdentity(modelFolder: model) })
      outcome = try trainer.run()
      if communicator.rank == 0 { try printResult(outcome) }
    } catch {
      // What MPI returned on one rank the others do not know of: they wait for it.
      if error is CollectiveError {
        communicator.abort(
          code: ExitCodes.code(for: error), message: "lockstep: error: \(error)")
      }
      // Any other failure every rank comes here with: rank 0 tells it, and all leave with its code.
      let code = ExitCodes.code(for: error)
      if communicator.rank == 0 {
        if code == ExitCodes.interrupted {
          report.say("\(error)")
        } else {
          Lockstep.writeError(error)
        }
      }
      communicator.finalize()
      throw ArgumentParser.ExitCode(code)
    }
    communicator.finalize()
    if !outcome.isFinished { throw ArgumentParser.ExitCode(ExitCodes.interrupted) }
  }

  /// What `--dry-run` prints.
  private func showPlan() throws {
    let interruption = Interruption()
    var options = options
    options.isDryRun = true
    let origins = try FlagOrigins(of: Array(CommandLine.arguments.dropFirst()))
    try onEveryRank { [options] communicator in
      try RunPlan(
        options, communicator, ConsoleReport(isSilent: communicator.rank != 0), interruption,
        readVocabulary: { try VocabularyIdentity(modelFolder: model) })
    } show: { plan in
      let plan = try PlanReport(plan, origins: origins)
      switch format {
      case .text: print(plan.text)
      case .json: try printJSON(plan)
      }
    }
  }

  var options: TrainingOptions {
    var options = TrainingOptions(
      model: model, train: train, validation: validation, output: output)
    options.epochs = epochs
    options.maxSteps = maxSteps
    options.batchSize = batchSize
    options.microBatches = microBatches
    options.learningRate = learningRate
    options.weightDecay = weightDecay
    options.warmupRatio = warmupRatio
    options.schedule = schedule
    options.maxGradNorm = maxGradNorm
    options.size = size
    options.initialWeights = initialWeights
    options.dropout = dropout
    options.pooling = pooling
    options.layerDecay = layerDecay
    options.frozenLayers = freezeLayers
    options.positiveWeight = positiveWeight
    options.seed = seed
    options.exchange = allReduce
    options.resume =
      switch resume {
      case "auto": .auto
      case "never": .never
      default: .checkpoint(path: resume)
      }
    options.evaluateEvery = evaluateEvery
    options.evaluationRanks = evaluationRanks
    options.saveEvery = saveEvery
    options.keep = keep
    options.metric = metric
    options.patience = patience
    options.threads = threads
    options.maxShardBytes = maxShardSize.bytes
    options.saveMode = saveMode
    options.overlap = overlap
    options.verifyShards = verifyShards
    options.watchdog = watchdog
    options.checkReplicasEvery = checkReplicasEvery
    options.tensorboard = tensorboard
    options.trace = trace
    options.stopAt = stopAt
    return options
  }

  /// The path of the checkpoint to use, or an object with its metrics.
  private func printResult(_ outcome: Trainer.Outcome) throws {
    switch format {
    case .text: if let path = outcome.checkpoint { print(path) }
    case .json:
      try printJSON(
        TrainingResult(
          finished: outcome.isFinished, checkpoint: outcome.checkpoint, metrics: outcome.metrics))
    }
  }
}

private struct TrainingResult: Encodable {
  let finished: Bool
  let checkpoint: String?
  let metrics: (any TaskMetrics)?

  private enum CodingKeys: String, CodingKey {
    case finished, checkpoint, metrics
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(finished, forKey: .finished)
    try values.encodeIfPresent(checkpoint, forKey: .checkpoint)
    if let metrics { try metrics.encode(to: values.superEncoder(forKey: .metrics)) }
  }
}

extension VocabularyIdentity {
  /// - Returns: nil for a folder without tokenizer files.
  init?(modelFolder: String) throws {
    let files = Tokenizer.files(inModelFolder: modelFolder)
    guard !files.isEmpty else { return nil }
    let tokenizer = try Tokenizer(modelFolder: modelFolder)
    self.init(
      sha256: tokenizer.vocabularySHA256, files: files, count: tokenizer.vocabularyCount,
      maskID: tokenizer.maskID,
      specialIDs: tokenizer.specialTokenIDs)
  }
}
