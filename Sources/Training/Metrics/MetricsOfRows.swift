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
    case .questionAnswering:
      let ofRows = SpanMetrics(logits: outputs, rows: rows)
      guard let contexts = try data.answerContexts(0..<data.rows) else { return ofRows }
      return answerMetrics(outputs, rows, contexts, loss: ofRows.loss)
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

  /// The metrics by texts; windows of one question have its id and follow each other.
  private func answerMetrics(
    _ logits: [Float], _ rows: RowBatch, _ contexts: [(id: String, context: AnswerContext)],
    loss: Double
  ) -> AnswerMetrics {
    let allowsNoAnswer = contexts.contains { $0.context.answers.isEmpty }
    let decoder = AnswerDecoder(allowsNoAnswer: allowsNoAnswer)
    var questions: [AnswerMetrics.Question] = []
    var windows: [AnswerWindow] = []
    for (s, (id, context)) in contexts.enumerated() {
      let tokens = Int(rows.cumulativeLengths[s])..<Int(rows.cumulativeLengths[s + 1])
      windows.append(
        AnswerWindow(
          startLogits: tokens.map { logits[2 * $0] }, endLogits: tokens.map { logits[2 * $0 + 1] },
          offsets: context.ranges))
      guard s + 1 == contexts.count || contexts[s + 1].id != id else { continue }
      let decoded = decoder.decode(windows)
      questions.append(
        AnswerMetrics.Question(
          gold: context.answers,
          bestText: answerText(decoded.bestAnswer?.range, in: context.context),
          nullDifference: decoded.nullDifference))
      windows.removeAll()
    }
    return AnswerMetrics(
      questions: questions, loss: loss, rules: allowsNoAnswer ? .squad2 : .squad1)
  }
}
