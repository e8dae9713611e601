/// What `--positive-weight` gives each label: the factor of its positive term in the loss
/// (`BCEWithLogits`), by which rare labels weigh as much as frequent ones.
package enum PositiveWeights {
  /// The range of automatic weights: beyond it one row would rule a step.
  package static let automaticRange: ClosedRange<Double> = 0.01...100

  /// The rows without a label over the rows with it, within ``automaticRange``; 1 for a label that no row
  /// has, whose weight nothing is multiplied with.
  ///
  /// - Parameters:
  ///   - positives: [labels] Rows that have the label: sums of its probabilities.
  ///   - rows: All rows, with whatever labels.
  /// - Returns: [labels]
  package static func automatic(positives: [Double], rows: Int) -> [Float] {
    positives.map { count in
      guard count > 0 else { return 1 }
      let ratio = (Double(rows) - count) / count
      return Float(min(max(ratio, automaticRange.lowerBound), automaticRange.upperBound))
    }
  }

  /// Adds the labels of rows to how often there are any.
  ///
  /// - Parameters:
  ///   - positives: [labels] The sums so far.
  ///   - labels: [rows, labels] of 0 to 1, row-major.
  package static func count(_ labels: [Float], into positives: inout [Double]) {
    for (index, label) in labels.enumerated() {
      positives[index % positives.count] += Double(label)
    }
  }

  /// Weights of the user's: a JSON object of a number from 0 to 10,000 for each label.
  ///
  /// - Returns: [labels] In the order of the names.
  /// - Throws: `TrainingError` naming the file and the label.
  package static func read(_ path: String, labelNames: [String]) throws -> [Float] {
    try file(path).read(labelNames: labelNames).map(Float.init)
  }

  private static func file(_ path: String) -> LabelNumbers {
    LabelNumbers(path: path, kind: "weights", range: 0...10_000)
  }
}
