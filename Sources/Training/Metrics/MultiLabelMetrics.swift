import Foundation
import Kernels

/// The metrics of a multi-label evaluation, as scikit-learn defines them.
///
/// A label is predicted where its probability reaches the threshold. Precision, recall and F1 are 0
/// where their denominator is; an area under the curve is nil where only one class occurs.
package struct MultiLabelMetrics: TaskMetrics, Equatable {
  /// Mean binary cross-entropy over rows x labels, without weights.
  package let loss: Double
  /// Micro-averaged area under the ROC curve of the thresholded predictions, as the notebook has it.
  package let rocAUC: Double?
  /// The same of the probabilities.
  package let rocAUCScores: Double?
  /// At one threshold for all labels.
  package let plain: ThresholdedScores
  /// At a threshold for each label; nil where there are none.
  package let tuned: ThresholdedScores?
  package let thresholds: LabelThresholds?
  package let sweep: ThresholdSweep

  package var f1: Double { plain.f1 }
  package var f1Macro: Double { plain.f1Macro }
  package var accuracy: Double { plain.accuracy }
  package var jaccard: Double { plain.jaccard }
  package var perLabel: LabelScores { plain.perLabel }
  package var labelScores: LabelScores? { perLabel }

  package var scores: [(name: String, value: Double?)] {
    let tunedScores: [(name: String, value: Double?)] =
      tuned.map {
        [
          ("f1_tuned", $0.f1), ("f1_macro_tuned", $0.f1Macro), ("accuracy_tuned", $0.accuracy),
          ("jaccard_tuned", $0.jaccard),
        ]
      } ?? []
    return [
      ("f1", f1), ("f1_macro", f1Macro), ("roc_auc", rocAUC), ("roc_auc_scores", rocAUCScores),
      ("accuracy", accuracy), ("jaccard", jaccard),
    ] + tunedScores + [("loss", loss)]
  }
  package var headline: [(name: String, value: Double?)] {
    [("f1", f1), ("roc_auc", rocAUC), ("accuracy", accuracy)]
  }

  private enum CodingKeys: String, CodingKey {
    case thresholds, sweep
    case perLabel = "per_label"
    case perLabelTuned = "per_label_tuned"
  }

  package func encode(to encoder: any Encoder) throws {
    try encodeScores(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(perLabel, forKey: .perLabel)
    try values.encodeIfPresent(tuned?.perLabel, forKey: .perLabelTuned)
    try values.encodeIfPresent(thresholds?.values, forKey: .thresholds)
    try values.encode(sweep, forKey: .sweep)
  }

  /// - Parameters:
  ///   - logits: [rows, labels], row-major.
  ///   - labels: [rows, labels] of 0 and 1.
  ///   - labelCount: Columns.
  ///   - threshold: Of every label.
  ///   - tuned: Thresholds of the labels, for the scores beside those at `threshold`.
  /// - Precondition: At least one row.
  package init(
    logits: [Float], labels: [Float], labelCount: Int, threshold: Double = 0.5,
    tuned thresholds: LabelThresholds? = nil
  ) {
    precondition(!logits.isEmpty && logits.count == labels.count, "one label a logit")
    let probabilities = logits.map { probability(ofLogit: Double($0)) }
    let truth = labels.map { $0 != 0 }

    loss =
      BCEWithLogits.forwardBackward(nil, logits, labels, count: logits.count, scale: 0)
      / Double(logits.count)
    func predicted(_ thresholds: LabelThresholds) -> [Bool] {
      precondition(thresholds.values.count == labelCount, "a threshold a label")
      return probabilities.indices.map { probabilities[$0] >= thresholds.values[$0 % labelCount] }
    }
    let plain = predicted(LabelThresholds(threshold, labelCount: labelCount))
    self.plain = ThresholdedScores(predicted: plain, truth: truth, labelCount: labelCount)
    rocAUC = areaUnderROC(scores: plain.map { $0 ? 1 : 0 }, truth: truth)
    rocAUCScores = areaUnderROC(scores: probabilities, truth: truth)
    sweep = ThresholdSweep(probabilities: probabilities, truth: truth)
    self.thresholds = thresholds
    tuned = thresholds.map {
      ThresholdedScores(predicted: predicted($0), truth: truth, labelCount: labelCount)
    }
  }
}

/// What depends on where labels are predicted.
package struct ThresholdedScores: Sendable, Equatable {
  /// Micro-averaged over all rows and labels.
  package let f1: Double
  /// Unweighted mean of the labels' F1.
  package let f1Macro: Double
  /// Share of rows with every label right.
  package let accuracy: Double
  /// Mean over rows of intersection over union; SemEval's score. A row with nothing predicted and
  /// nothing true counts 1.
  package let jaccard: Double
  package let perLabel: LabelScores

  /// - Parameters:
  ///   - predicted, truth: [rows, labels]
  init(predicted: [Bool], truth: [Bool], labelCount: Int) {
    let rows = truth.count / labelCount
    accuracy = share(of: rows) { row in
      let cells = row * labelCount..<(row + 1) * labelCount
      return predicted[cells] == truth[cells] ? 1 : 0
    }
    jaccard = share(of: rows) { row in
      var (both, either) = (0, 0)
      for cell in row * labelCount..<(row + 1) * labelCount {
        both += predicted[cell] && truth[cell] ? 1 : 0
        either += predicted[cell] || truth[cell] ? 1 : 0
      }
      return either == 0 ? 1 : Double(both) / Double(either)
    }
    let columns = (0..<labelCount).map { column in
      Confusion(
        stride(from: column, to: truth.count, by: labelCount).lazy
          .map { (predicted[$0], truth[$0]) })
    }
    f1 = Confusion(zip(predicted, truth)).f1
    f1Macro = columns.reduce(0) { $0 + $1.f1 } / Double(labelCount)
    perLabel = LabelScores(columns)
  }
}

/// 1 / (1 + e^-z)
package func probability(ofLogit z: Double) -> Double { 1 / (1 + exp(-z)) }

/// e^z over the sum of them, stable at any size.
package func softmax(_ logits: [Double]) -> [Double] {
  let largest = logits.max() ?? 0
  let powers = logits.map { exp($0 - largest) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}

private func share(of rows: Int, _ value: (Int) -> Double) -> Double {
  (0..<rows).reduce(0) { $0 + value($1) } / Double(rows)
}

/// The probability that a positive scores above a negative, ties counting half (Mann-Whitney U).
private func areaUnderROC(scores: [Double], truth: [Bool]) -> Double? {
  let order = scores.indices.sorted { scores[$0] < scores[$1] }
  let positives = truth.count { $0 }
  let negatives = truth.count - positives
  guard positives > 0, negatives > 0 else { return nil }
  // Twice the number of (positive, negative) pairs in the right order: exact in integers.
  var doubledWins = 0
  var negativesBelow = 0
  var start = 0
  while start < order.count {
    var end = start
    var (tiedPositives, tiedNegatives) = (0, 0)
    while end < order.count, scores[order[end]] == scores[order[start]] {
      if truth[order[end]] { tiedPositives += 1 } else { tiedNegatives += 1 }
      end += 1
    }
    doubledWins += tiedPositives * (2 * negativesBelow + tiedNegatives)
    negativesBelow += tiedNegatives
    start = end
  }
  return Double(doubledWins) / 2 / (Double(positives) * Double(negatives))
}
