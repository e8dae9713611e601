import Kernels

/// How an architecture classifies a row: output(dropout(activation(dense(dropout(first state))))).
struct SequenceHeadDescription: Sendable {
  enum Activation: Sendable {
    case tanh, relu, gelu
  }

  /// Before the dense layer.
  var inputDropout: Float = 0
  /// Module of the dense layer [H, H].
  let dense: String
  let activation: Activation
  /// Before the output layer.
  let dropout: Float
  /// Module of the output layer [L, H].
  let output: String
}

/// A dense layer on each sequence's first state, or on the mean of its states: BERT's pooler.
///
/// S sequences, H hidden.
struct Pooler: Sendable {
  let description: SequenceHeadDescription
  let dense: LinearParameters
  let width: Int
  let pooling: ModelConfiguration.Pooling

  init(
    _ description: SequenceHeadDescription, _ model: ModelConfiguration,
    _ layout: inout ParameterLayout
  ) {
    self.description = description
    width = model.hiddenSize
    pooling = model.pooling
    dense = LinearParameters(
      description.dense, inputs: width, outputs: width, &layout)
  }
}

/// A pooler at work.
final class PoolerState {
  private let pooler: Pooler
  private var width: Int { pooler.width }
  /// [S, H]
  private var states = ArenaCursor.nowhere
  private var derivative = ArenaCursor.nowhere
  private(set) var output = ArenaCursor.nowhere
  private var scratch = ArenaCursor.nowhere

  init(_ pooler: Pooler) { self.pooler = pooler }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    let count = capacity.sequences * width
    states = cursor.take(count)
    derivative = cursor.take(count)
    output = cursor.take(count)
    scratch = cursor.take(count)
  }

  /// Computes `output` [S, H], before the dropout that follows.
  func forward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats) {
    let rows = pass.sequences
    let input = encoder.sequenceStates(pass)
    switch pooler.pooling {
    case .first:
      Gather.forward(states, input.states, index: input.firstRows, rows: rows, width: width)
    case .mean:
      SequenceMean.forward(
        states, input.states, cumulativeLengths: input.cumulativeLengths, rows: rows, width: width)
    }
    Dropout.applyRows(
      states, states, pass.headKey(1, pooler.description.inputDropout),
      sequenceRows: pass.at.sequenceRows, rows: rows, width: width)
    let isGELU = pooler.description.activation == .gelu
    Linear.forward(
      output, states, p + pooler.dense.weight, isGELU ? nil : p + pooler.dense.bias, rows: rows,
      inputs: width, outputs: width, pass.pool)
    switch pooler.description.activation {
    case .tanh: Tanh.forward(output, output, count: rows * width)
    case .relu: ReLU.forward(output, output, count: rows * width)
    case .gelu:
      GELU.forward(
        output, derivative, output, p + pooler.dense.bias, rows: rows, width: width, pass.pool)
    }
  }

  /// Overwrites the dense layer's gradients, and leaves that at the states in the encoder's
  /// `outputGradient`.
  ///
  /// - Parameter gradient: [S, H] At `output`; overwritten.
  func backward(
    _ gradient: MutableFloats, _ pass: Pass, _ encoder: any EncoderState, _ p: Floats,
    _ g: DenseGradients
  ) {
    let rows = pass.sequences
    switch pooler.description.activation {
    case .tanh: Tanh.backward(gradient, gradient, output, count: rows * width)
    case .relu: ReLU.backward(gradient, gradient, output, count: rows * width)
    case .gelu:
      GELU.backward(
        gradient, g + pooler.dense.bias, gradient, derivative, rows: pass.sequenceParts,
        width: width, pass.pool)
    }
    let isGELU = pooler.description.activation == .gelu
    Linear.backward(
      scratch, g + pooler.dense.weight, isGELU ? nil : g + pooler.dense.bias, gradient, states,
      p + pooler.dense.weight, rows: pass.sequenceParts, inputs: width, outputs: width, pass.pool)
    Dropout.applyRows(
      scratch, scratch, pass.headKey(1, pooler.description.inputDropout),
      sequenceRows: pass.at.sequenceRows, rows: rows, width: width)
    let input = encoder.sequenceStates(pass)
    switch pooler.pooling {
    case .first:
      Reduction.zero(encoder.outputGradient, count: input.rows * width, pass.pool)
      Gather.backward(
        encoder.outputGradient, scratch, index: input.firstRows, rows: rows, width: width)
    case .mean:
      SequenceMean.backward(
        encoder.outputGradient, scratch, cumulativeLengths: input.cumulativeLengths, rows: rows,
        width: width)
    }
  }
}

/// Classification or regression of rows.
///
/// S sequences, H hidden, L labels.
struct SequenceHead: Head {
  let pooler: Pooler
  let output: LinearParameters
  let task: Task
  let labels: Int
  let positiveWeights: [Float]?

  init(_ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    let description = model.architecture.sequenceHead(model)
    pooler = Pooler(description, model, &layout)
    labels = model.labelNames.count
    output = LinearParameters(
      description.output, inputs: model.hiddenSize, outputs: labels, &layout)
    task = model.task
    positiveWeights = model.positiveWeights
  }

  func makeState() -> any HeadState { SequenceHeadState(self) }
}

private final class SequenceHeadState: HeadState {
  private let head: SequenceHead
  private let pooler: PoolerState
  /// [S, H]
  private var dropped = ArenaCursor.nowhere
  private var gradient = ArenaCursor.nowhere
  /// [S, L]
  private var logits = ArenaCursor.nowhere
  private var logitsGradient = ArenaCursor.nowhere
  private var width: Int { head.pooler.width }

  init(_ head: SequenceHead) {
    self.head = head
    pooler = PoolerState(head.pooler)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    pooler.take(&cursor, capacity)
    dropped = cursor.take(capacity.sequences * width)
    gradient = cursor.take(capacity.sequences * width)
    logits = cursor.take(capacity.sequences * head.labels)
    logitsGradient = cursor.take(capacity.sequences * head.labels)
  }

  func forward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats) {
    pooler.forward(pass, encoder, p)
    Dropout.applyRows(
      dropped, pooler.output, pass.headKey(0, head.pooler.description.dropout),
      sequenceRows: pass.at.sequenceRows, rows: pass.sequences, width: width)
    Linear.forward(
      logits, dropped, p + head.output.weight, p + head.output.bias, rows: pass.sequences,
      inputs: width, outputs: head.labels, pass.pool)
  }

  func logits(_ pass: Pass) -> [Logits] {
    [Logits(name: "logits", values: Floats(logits), rows: pass.sequences, columns: head.labels)]
  }

  func loss(_ pass: Pass, _ targets: Targets, _ counts: LossCounts) -> [Double] {
    let labels = head.labels
    return pass.sequenceParts.map { rows in
      let (z, dz) = (logits + rows.lowerBound * labels, logitsGradient + rows.lowerBound * labels)
      switch targets {
      case .multiLabel(let all):
        let scale = 1 / (Double(counts.rows) * Double(labels))
        let own = Array(all[rows.lowerBound * labels..<rows.upperBound * labels])
        guard let weights = head.positiveWeights else {
          return scale
            * BCEWithLogits.forwardBackward(dz, z, own, count: own.count, scale: Float(scale))
        }
        return scale
          * BCEWithLogits.forwardBackward(
            dz, z, own, positiveWeights: weights, rows: rows.count, labels: labels,
            scale: Float(scale))
      case .classes(let all):
        let scale = 1 / Double(counts.rows)
        return scale
          * CrossEntropy.forwardBackward(
            dz, z, Array(all[rows]), rows: rows.count, classes: labels, scale: Float(scale))
      case .values(let all):
        let scale = 1 / Double(counts.rows)
        return scale
          * SquaredError.forwardBackward(
            dz, z, Array(all[rows]), count: rows.count, scale: Float(scale))
      case .tags, .spans, .pretraining:
        preconditionFailure("\(head.task.rawValue) has no such targets")
      }
    }
  }

  func backward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats, _ g: DenseGradients) {
    Linear.backward(
      gradient, g + head.output.weight, g + head.output.bias, logitsGradient, dropped,
      p + head.output.weight, rows: pass.sequenceParts, inputs: width, outputs: head.labels,
      pass.pool)
    Dropout.applyRows(
      gradient, gradient, pass.headKey(0, head.pooler.description.dropout),
      sequenceRows: pass.at.sequenceRows, rows: pass.sequences, width: width)
    pooler.backward(gradient, pass, encoder, p, g)
  }
}
