import Kernels

/// What a model is fine-tuned for: which head it has, and which loss.
///
/// Raw values are those of `--task` and of the shards' attribute `task`.
package enum Task: String, Sendable, Equatable, CaseIterable {
  /// A row has any number of the labels.
  case multiLabel = "multi-label"
  /// A row has one of the labels.
  case multiClass = "multi-class"
  /// A row has a number.
  case regression
  /// A token has one of the labels, or none.
  case tokenClassification = "token-classification"
  /// A row has a first and a last token of an answer.
  case questionAnswering = "question-answering"
  /// Masked words, and whether the second segment follows the first.
  case pretraining

  /// What follows the architecture's name in Hugging Face's class: `BertForSequenceClassification`.
  var classSuffix: String {
    switch self {
    case .multiLabel, .multiClass, .regression: "ForSequenceClassification"
    case .tokenClassification: "ForTokenClassification"
    case .questionAnswering: "ForQuestionAnswering"
    case .pretraining: "ForPreTraining"
    }
  }

  /// `problem_type` in config.json, by which one class serves three tasks; nil for the other classes.
  package var problemType: String? {
    switch self {
    case .multiLabel: "multi_label_classification"
    case .multiClass: "single_label_classification"
    case .regression: "regression"
    case .tokenClassification, .questionAnswering, .pretraining: nil
    }
  }

  /// Whether every token has logits, rather than every row.
  package var labelsTokens: Bool { self == .tokenClassification || self == .questionAnswering }

  /// Whether the head is on one vector a row, rather than on tokens.
  var isOfSequences: Bool { problemType != nil }
}

/// What is true of a batch's rows.
///
/// T tokens, S sequences, L labels.
package enum Targets: Sendable, Equatable {
  /// [S, L] For each label its probability, 0 or 1.
  case multiLabel([Float])
  /// [S] The label.
  case classes([Int32])
  /// [S]
  case values([Float])
  /// [T] The label of each token, or ``noTag``.
  case tags([Int32])
  /// [S, 2] First and last token of the answer within the row; 0, 0 for no answer.
  case spans([Int32])
  case pretraining(MaskedWords, nextSentence: [Int32])

  /// The tag of a token without one: PyTorch's ignore_index.
  package static let noTag = CrossEntropy.ignoreIndex
}

/// The words that a batch hides from a model in pre-training.
package struct MaskedWords: Sendable, Equatable {
  /// [M] Which of the batch's tokens, in rising order.
  package var tokens: [Int32]
  /// [M] The ids that stood there.
  package var ids: [Int32]

  package init(tokens: [Int32] = [], ids: [Int32] = []) {
    self.tokens = tokens
    self.ids = ids
  }
}

/// What the sums of a loss are divided by: counts over the global batch, of which a rank has a part.
package struct LossCounts: Sendable, Equatable {
  /// Rows.
  package var rows: Int
  /// Tokens that have a target: tagged or masked ones.
  package var tokens: Int

  package init(rows: Int, tokens: Int = 0) {
    self.rows = rows
    self.tokens = tokens
  }
}

extension Targets {
  /// Of this batch alone.
  ///
  /// - Parameter rows: The count's rows.
  package func counts(rows: Int) -> LossCounts {
    switch self {
    case .tags(let tags):
      LossCounts(rows: rows, tokens: CrossEntropy.labelledCount(tags, rows: tags.count))
    case .pretraining(let masked, _): LossCounts(rows: rows, tokens: masked.tokens.count)
    case .multiLabel, .classes, .values, .spans: LossCounts(rows: rows)
    }
  }
}
