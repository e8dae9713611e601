import Shards

/// What `--positive-weight` gives each label: the factor of its positive term in the loss
/// (`BCEWithLogits`), by which rare labels weigh as much as frequent ones.
package enum PositiveWeights {
  /// The range of automatic weights: beyond it one row would rule a step.
  package static let automaticRange: ClosedRange<Double> = 0.01...100

  package static let range: ClosedRange<Double> = 0...10_000

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
    LabelNumbers(path: path, kind: "weights", range: range)
  }
}

extension PositiveWeights {
  /// Rows whose labels are counted at a time.
  private static let blockRows = 4096

  /// What `--positive-weight` gives for the training rows.
  ///
  /// - Parameter progress: Called after every few rows; may throw to end it there.
  /// - Returns: [labels]
  /// - Throws: `TrainingError` for rows of another task than multi-label, and for a file that does not
  ///   have a number for each label; errors of reading; what `progress` throws.
  static func resolve(
    _ choice: TrainingOptions.PositiveWeight, for data: ShardFolder, progress: (Int) throws -> Void
  ) throws -> [Float] {
    guard data.task == .multiLabel else {
      throw TrainingError(
        .usage, "--positive-weight", expected: "shards for multi-label",
        found: "\(data.path) for \(data.task.rawValue)", remedy: "leave the flag out")
    }
    switch choice {
    case .file(let path): return try read(path, labelNames: data.labelNames)
    case .automatic:
      var positives = [Double](repeating: 0, count: data.labelNames.count)
      for start in stride(from: 0, to: data.rows, by: blockRows) {
        let block = try data.read(Array(start..<min(start + blockRows, data.rows)))
        count(block.labels.floats, into: &positives)
        try progress(start)
      }
      return automatic(positives: positives, rows: data.rows)
    }
  }
}
