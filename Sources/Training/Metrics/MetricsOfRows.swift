import Kernels
import Shards

extension Evaluator {
  /// The metrics of the data's task.
  ///
  /// - Parameters:
  ///   - outputs: ``outputs(_:)`` of all rows in their order.
  ///   - threshold: Of multi-label probabilities.
  ///   - tuned: Thresholds of single labels beside it.
  /// - Throws: Errors of reading the labels.
  func metrics(
    of data: ShardFolder, outputs: [Float], threshold: Double, tuned: TunedThresholds
  ) throws -> any TaskMetrics {
    let rows = try data.read(Array(0..<data.rows))
    let labels = rows.labels
    switch data.task {
    case .multiLabel:
      let labelCount = data.labelNames.count
      let thresholds =
        switch tuned {
        case .none: nil as LabelThresholds?
        case .known(let thresholds): thresholds
        case .onTheseRows:
          LabelThresholds(tunedOn: outputs, labels: labels.floats, labelCount: labelCount)
        }
      return MultiLabelMetrics(
        logits: outputs, labels: labels.floats, labelCount: labelCount, threshold: threshold,
        tuned: thresholds)
    case .multiClass:
      return MultiClassMetrics(
        logits: outputs, labels: labels.integers, labelCount: data.labelNames.count)
    case .regression: return RegressionMetrics(predictions: outputs, values: labels.floats)
    case .tokenClassification:
      return EntityMetrics(
        logits: outputs, tags: labels.integers, cumulativeLengths: rows.cumulativeLengths,
        labelNames: data.labelNames)
    case .questionAnswering:
      return try answerMetrics(outputs, rows, of: data)
    case .pretraining:
      let width = 5
      return PretrainingMetrics(
        rows: stride(from: 0, to: outputs.count, by: width).map { start in
          let row = Array(outputs[start..<start + width])
          return PretrainingMetrics.Row(
            maskedLoss: Double(row[0]), rightWords: Int(row[1]), hiddenWords: Int(row[2]),
            nextSentence: [row[3], row[4]])
        }, nextSentence: labels.integers)
    }
  }

  /// The metrics by texts; windows of one question have its id and follow each other.
  private func answerMetrics(
    _ logits: [Float], _ rows: RowBatch, of data: ShardFolder
  ) throws -> AnswerMetrics {
    var questions: [AnswerMetrics.Question] = []
    var windows: [AnswerWindow] = []
    var current: (id: String, context: AnswerContext)?
    func end() {
      guard let context = current?.context else { return }
      let decoded = AnswerDecoder(allowsNoAnswer: true).decode(windows)
      questions.append(
        AnswerMetrics.Question(
          gold: context.answers,
          bestText: answerText(decoded.bestAnswer?.range, in: context.context),
          nullDifference: decoded.nullDifference))
      windows.removeAll(keepingCapacity: true)
    }
    try data.forEachAnswerContext { row, id, context in
      if current?.id != id { end() }
      current = (id, context)
      windows.append(
        AnswerWindow(
          logits: logits,
          tokens: Int(rows.cumulativeLengths[row])..<Int(rows.cumulativeLengths[row + 1]),
          ranges: context.ranges))
    }
    end()
    let loss = spanLoss(logits, rows)
    guard !questions.contains(where: \.gold.isEmpty) else {
      return AnswerMetrics(questions: questions, loss: loss, rules: .squad2)
    }
    // Every question has an answer, so that one is given.
    return AnswerMetrics(
      questions: questions.map {
        AnswerMetrics.Question(gold: $0.gold, bestText: $0.bestText, nullDifference: nil)
      }, loss: loss, rules: .squad1)
  }
}

/// Mean cross-entropy of both ends of the rows' answers.
///
/// - Parameter logits: [T, 2] of the rows' tokens.
private func spanLoss(_ logits: [Float], _ rows: RowBatch) -> Double {
  let count = rows.rows.count
  return SpanLoss.forwardBackward(
    nil, logits, rows.labels.integers, cumulativeLengths: rows.cumulativeLengths,
    sequences: count, scale: 0) / Double(2 * max(1, count))
}
