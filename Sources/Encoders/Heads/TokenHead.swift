import Kernels

/// A linear layer on every token: labels of tokens, or the two ends of an answer.
///
/// T tokens, S sequences, H hidden, L labels, or 2 for an answer.
struct TokenHead: Head {
  let output: LinearParameters
  let isOfAnswers: Bool
  let width: Int
  let labels: Int
  let dropout: Float

  init(_ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    isOfAnswers = model.task == .questionAnswering
    width = model.hiddenSize
    labels = isOfAnswers ? 2 : model.labelNames.count
    dropout = isOfAnswers ? model.answerDropout : model.architecture.tokenDropout(model)
    output = LinearParameters(
      isOfAnswers ? "qa_outputs" : "classifier", inputs: width, outputs: labels, &layout)
  }

  func makeState() -> any HeadState { TokenHeadState(self) }
}

private final class TokenHeadState: HeadState {
  private let head: TokenHead
  /// [T, H]
  private var dropped = ArenaCursor.nowhere
  /// [T, L]
  private var logits = ArenaCursor.nowhere
  private var logitsGradient = ArenaCursor.nowhere

  init(_ head: TokenHead) { self.head = head }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    dropped = cursor.take(capacity.tokens * head.width)
    logits = cursor.take(capacity.tokens * head.labels)
    logitsGradient = cursor.take(capacity.tokens * head.labels)
  }

  func forward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats) {
    let rows = pass.tokens.count
    Dropout.apply(
      dropped, encoder.hiddenStates, pass.headKey(0, head.dropout), pass.tokens.at, rows: rows,
      width: head.width, pass.pool)
    Linear.forward(
      logits, dropped, p + head.output.weight, p + head.output.bias, rows: rows,
      inputs: head.width, outputs: head.labels, pass.pool)
  }

  func logits(_ pass: Pass) -> [Logits] {
    [
      Logits(
        name: "logits", values: Floats(logits), rows: pass.tokens.count, columns: head.labels)
    ]
  }

  func loss(_ pass: Pass, _ targets: Targets, _ counts: LossCounts) -> [Double] {
    switch targets {
    case .tags(let all):
      // A batch without a tag has a loss of 0, and no gradient.
      let scale = 1 / Double(max(1, counts.tokens))
      return pass.tokens.parts.map { tokens in
        let start = tokens.lowerBound * head.labels
        return scale
          * CrossEntropy.forwardBackward(
            logitsGradient + start, Floats(logits) + start, Array(all[tokens]), rows: tokens.count,
            classes: head.labels, scale: Float(scale))
      }
    case .spans(let all):
      let scale = 1 / (2 * Double(counts.rows))
      return pass.sequenceParts.map { rows in
        guard let bounds = pass.at.cumulativeLengths.baseAddress, !rows.isEmpty else { return 0 }
        // The bounds are of the whole batch, and so are the pointers.
        return scale
          * SpanLoss.forwardBackward(
            logitsGradient, Floats(logits), Array(all[2 * rows.lowerBound..<2 * rows.upperBound]),
            cumulativeLengths: bounds + rows.lowerBound, sequences: rows.count,
            scale: Float(scale))
      }
    case .multiLabel, .classes, .values, .pretraining:
      preconditionFailure("a token's head has no such targets")
    }
  }

  func backward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats, _ g: DenseGradients) {
    let gradient = encoder.outputGradient
    Linear.backward(
      gradient, g + head.output.weight, g + head.output.bias, logitsGradient, dropped,
      p + head.output.weight, rows: pass.tokens.parts, inputs: head.width, outputs: head.labels,
      pass.pool)
    Dropout.apply(
      gradient, gradient, pass.headKey(0, head.dropout), pass.tokens.at, rows: pass.tokens.count,
      width: head.width, pass.pool)
  }
}
