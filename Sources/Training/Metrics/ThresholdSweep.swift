/// Precision, recall and F1 over all rows and labels at thresholds from 0.05 to 0.95: what a curve
/// beside `--threshold` is drawn from.
package struct ThresholdSweep: Codable, Sendable, Equatable {
  /// [19] Probabilities from which a label counts as predicted.
  package var thresholds: [Double] = []
  /// [19] each; 0 where a denominator is.
  package var precision: [Double] = []
  package var recall: [Double] = []
  package var f1: [Double] = []

  /// - Parameters:
  ///   - probabilities: [cells] Of any order.
  ///   - truth: [cells]
  package init(probabilities: [Double], truth: [Bool]) {
    precondition(probabilities.count == truth.count, "a truth a probability")
    thresholds = (1...19).map { Double($0) / 20 }
    // Cells by how many of the thresholds their probability reaches.
    var positives = [Int](repeating: 0, count: thresholds.count + 1)
    var negatives = positives
    for (probability, isTrue) in zip(probabilities, truth) {
      let reached = thresholds.prefix { probability >= $0 }.count
      if isTrue { positives[reached] += 1 } else { negatives[reached] += 1 }
    }
    for threshold in thresholds.indices {
      var confusion = Confusion()
      confusion.truePositives = positives[(threshold + 1)...].reduce(0, +)
      confusion.falsePositives = negatives[(threshold + 1)...].reduce(0, +)
      confusion.falseNegatives = positives[...threshold].reduce(0, +)
      precision.append(confusion.precision)
      recall.append(confusion.recall)
      f1.append(confusion.f1)
    }
  }
}
