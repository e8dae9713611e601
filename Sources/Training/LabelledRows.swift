import Encoders
import Kernels
import Shards

extension Replica.LabelledBatch {
  /// What shards gave, as the model takes it.
  ///
  /// - Parameters:
  ///   - configuration: The model's, by which rows are padded.
  ///   - parts: The micro-batches, by rows; nil for one.
  ///   - masking: In pre-training, what hides words.
  ///   - epoch: Of the masks.
  package init(
    _ rows: RowBatch, for configuration: ModelConfiguration, parts: Parts? = nil,
    masking: WordMasking? = nil, epoch: Int = 0
  ) {
    let hidden = masking.map { $0.hide(rows, epoch: epoch) }
    let batch = configuration.batch(
      inputIDs: hidden?.ids ?? rows.inputIDs, typeIDs: rows.typeIDs,
      cumulativeLengths: rows.cumulativeLengths, rows: rows.rows, parts: parts,
      masked: hidden?.masked.tokens ?? [])
    var targets = Targets(rows.labels, hidden?.masked)
    if case .tags(let tags) = targets {
      targets = .tags(batch.withPadding(tags, of: Targets.noTag))
    }
    self.init(batch: batch, targets: targets)
  }
}

extension Targets {
  /// - Parameter masked: The words that were hidden, in pre-training.
  init(_ labels: RowLabels, _ masked: MaskedWords?) {
    self =
      switch labels.task {
      case .multiLabel: .multiLabel(labels.floats)
      case .multiClass: .classes(labels.integers)
      case .regression: .values(labels.floats)
      case .tokenClassification: .tags(labels.integers)
      case .questionAnswering: .spans(labels.integers)
      case .pretraining: .pretraining(masked ?? MaskedWords(), nextSentence: labels.integers)
      }
  }
}

extension Task {
  init(_ task: ShardTask) {
    self =
      switch task {
      case .multiLabel: .multiLabel
      case .multiClass: .multiClass
      case .regression: .regression
      case .tokenClassification: .tokenClassification
      case .questionAnswering: .questionAnswering
      case .pretraining: .pretraining
      }
  }

  /// Whether the loss is divided by something else than rows, which ranks know of their own rows alone.
  var countsTokens: Bool { self == .tokenClassification || self == .pretraining }
}
