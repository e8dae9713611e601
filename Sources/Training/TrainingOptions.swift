import Encoders

/// A training run as its user asked for it. What is nil was not asked for: it comes from the
/// checkpoint that the run resumes, or else has the default of `Trajectory`.
package struct TrainingOptions: Sendable {
  /// How often to evaluate or save.
  package enum Interval: Sendable, Equatable, CustomStringConvertible {
    case epoch
    case steps(Int)

    /// `epoch`, or a number of steps from 1.
    package init?(_ text: String) {
      if text == "epoch" {
        self = .epoch
      } else if let steps = Int(text), steps > 0 {
        self = .steps(steps)
      } else {
        return nil
      }
    }

    package var description: String {
      switch self {
      case .epoch: "epoch"
      case .steps(let steps): "\(steps)"
      }
    }
  }

  package enum Resume: Sendable, Equatable, CustomStringConvertible {
    /// From the newest checkpoint of the run folder, if there is one.
    case auto
    case never
    case checkpoint(path: String)

    package var description: String {
      switch self {
      case .auto: "auto"
      case .never: "never"
      case .checkpoint(let path): path
      }
    }
  }

  /// How gradients are summed between ranks.
  package enum Exchange: String, Codable, Sendable, CaseIterable {
    /// In one fixed binary tree over the micro-batches: the same bits on any number of ranks.
    case tree
    /// A plain MPI_Allreduce, for comparison.
    case mpi
  }

  /// Whether gradients are exchanged while others are still computed: it changes no bit.
  package enum Overlap: String, Sendable, CaseIterable {
    /// Where the ranks are on several hosts.
    case auto
    case on, off
  }

  /// What a model is before its first step.
  package enum InitialWeights: String, Sendable, CaseIterable {
    /// The folder's, but for a new head.
    case pretrained
    /// All new, of the sizes in the folder's config.json or of a named size.
    case random
  }

  /// Where the factors of positive labels in the loss come from: see `PositiveWeights`.
  package enum PositiveWeight: Sendable, Equatable {
    /// From how often the training rows have each label.
    case automatic
    case file(path: String)
  }

  /// Whether training goes on while a checkpoint is written.
  package enum SaveMode: String, Sendable, CaseIterable {
    case async, sync
  }

  /// Who evaluates.
  package enum EvaluationRanks: String, Sendable, CaseIterable {
    /// Rank 0, while the others sleep.
    case one = "1"
    /// Every rank its share of the rows; the metrics are the same to the bit.
    case all
  }

  package enum ShardVerification: String, Sendable, CaseIterable {
    case start, never
  }

  /// Folders: a pretrained model, shards to train on, shards to evaluate on, the run.
  package var model: String
  package var train: String
  package var validation: String
  package var output: String

  package var initialWeights = InitialWeights.pretrained
  /// BERT of a named size in place of a config.json: see `ModelConfiguration.init(size:vocabularySize:)`.
  package var size: String?

  package var epochs: Int?
  /// Optimizer steps in place of epochs.
  package var maxSteps: Int?
  /// Rows a step over all ranks.
  package var batchSize: Int?
  package var microBatches: Int?
  package var learningRate: Double?
  package var weightDecay: Double?
  package var warmupRatio: Double?
  package var schedule: LearningRateSchedule.Shape?
  /// 0 turns clipping off.
  package var maxGradNorm: Double?
  /// Every dropout probability of the model, in place of config.json's.
  package var dropout: Double?
  /// Which vector of a row the head reads; nil: as config.json has it, else the first token's.
  package var pooling: ModelConfiguration.Pooling?
  /// What the learning rate is multiplied by for each layer further from the head.
  package var layerDecay: Double?
  /// Layers that are not trained, from the first on, the embeddings with them.
  package var frozenLayers: Int?
  /// Multi-label: what the positive terms of the loss are multiplied by; nil: 1.
  package var positiveWeight: PositiveWeight?
  package var seed: UInt64?
  package var exchange: Exchange?

  package var resume: Resume = .auto
  package var evaluateEvery: Interval = .epoch
  package var evaluationRanks: EvaluationRanks = .all
  package var saveEvery: Interval = .epoch
  /// Checkpoints kept beside the best and the last.
  package var keep = 2
  /// The metric that makes a checkpoint the best; the task's first where a new run does not say.
  package var metric: BestMetric?
  /// Evaluations without improvement after which training ends.
  package var patience: Int?
  package var threads: Int?
  package var maxShardBytes = 5_000_000_000
  package var saveMode: SaveMode = .async
  package var overlap: Overlap = .auto
  package var verifyShards: ShardVerification = .start
  /// Seconds that a rank may give no sign of life before the job ends; zero for ever.
  package var watchdog = 300.0
  /// Steps between comparisons of the ranks' parameters; 0 for none.
  package var checkReplicasEvery = 100
  /// Whether RUN/tensorboard is written.
  package var tensorboard = false
  /// Steps that RUN/trace-STEP.json is written of.
  package var trace: TracedSteps?
  /// A step after which the run saves and stops as if it had been preempted.
  package var stopAt: Int?
  /// Whether all is read and checked but nothing written: what `RunPlan` asks for.
  package var isDryRun = false

  /// Whether there are no weights to read.
  package var startsFromScratch: Bool { initialWeights == .random || size != nil }

  package init(model: String, train: String, validation: String, output: String) {
    self.model = model
    self.train = train
    self.validation = validation
    self.output = output
  }
}
