import Shards

extension Evaluator {
  /// The metrics of the data's task.
  ///
  /// - Parameters:
  ///   - outputs: ``outputs(_:)`` of all rows in their order.
  ///   - threshold: Of multi-label probabilities.
  /// - Throws: Errors of reading the labels.
  func metrics(
    of data: ShardFolder, outputs: [Float], threshold: Double
  ) throws -> any TaskMetrics {
    let rows = try data.read(Array(0..<data.rows))
    let labels = rows.labels
    switch data.task {
    case .multiLabel:
      return MultiLabelMetrics(
        logits: outputs, labels: labels.floats, labelCount: data.labelNames.count,
        threshold: threshold)
    case .multiClass:
      return MultiClassMetrics(
        logits: outputs, labels: labels.integers, labelCount: data.labelNames.count)
    case .regression: return RegressionMetrics(predictions: outputs, values: labels.floats)
    case .tokenClassification:
      return EntityMetrics(
        logits: outputs, tags: labels.integers, cumulativeLengths: rows.cumulativeLengths,
        labelNames: data.labelNames)
    case .questionAnswering: return SpanMetrics(logits: outputs, rows: rows)
    case .pretraining:
      let width = 5
      return PretrainingMetrics(
        rows: stride(from: 0, to: outputs.count, by: width).map { start in
          let row = outputs[start..<start + width].map(Double.init)
          return PretrainingMetrics.Row(
            maskedLoss: row[0], rightWords: Int(row[1]), hiddenWords: Int(row[2]),
            nextSentence: [row[3], row[4]])
        }, nextSentence: labels.integers)
    }
  }
}
