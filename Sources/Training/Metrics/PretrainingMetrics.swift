import Foundation
import Kernels

/// The metrics of pre-training, on masks that do not change between evaluations.
package struct PretrainingMetrics: TaskMetrics {
  /// Mean cross-entropy of hidden words, and of whether the second segment follows.
  package let maskedLoss: Double
  package let nextSentenceLoss: Double
  /// Shares of hidden words and of pairs that are right.
  package let maskedAccuracy: Double
  package let nextSentenceAccuracy: Double

  package var loss: Double { maskedLoss + nextSentenceLoss }

  package var scores: [(name: String, value: Double?)] {
    [
      ("masked_accuracy", maskedAccuracy), ("next_sentence_accuracy", nextSentenceAccuracy),
      ("perplexity", exp(maskedLoss)), ("masked_loss", maskedLoss),
      ("next_sentence_loss", nextSentenceLoss), ("loss", loss),
    ]
  }

  /// What is known about a row: floats of an evaluation's output.
  struct Row {
    /// Sum of the cross-entropies of its hidden words.
    var maskedLoss: Double
    var rightWords: Int
    var hiddenWords: Int
    /// [2] Logits of "follows" and "random".
    var nextSentence: [Float]
  }

  /// - Precondition: At least one row, as many as `follows`.
  init(rows: [Row], nextSentence: [Int32]) {
    precondition(!rows.isEmpty && rows.count == nextSentence.count, "a label a row")
    let words = Double(max(1, rows.reduce(0) { $0 + $1.hiddenWords }))
    maskedLoss = rows.reduce(0) { $0 + $1.maskedLoss } / words
    maskedAccuracy = Double(rows.reduce(0) { $0 + $1.rightWords }) / words
    let logits = rows.flatMap(\.nextSentence)
    nextSentenceLoss =
      CrossEntropy.forwardBackward(
        nil, logits, nextSentence, rows: rows.count, classes: 2, scale: 0) / Double(rows.count)
    let right = nextSentence.enumerated().count {
      likeliest(logits, row: $0.offset, columns: 2) == Int($0.element)
    }
    nextSentenceAccuracy = Double(right) / Double(rows.count)
  }
}
