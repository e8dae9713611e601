import Kernels

/// BERT's two heads for pre-training (Devlin et al., section 3.1): hidden words are predicted with the
/// word table itself, and from the first token whether the second segment follows the first.
///
/// M hidden words, S sequences, H hidden, V vocabulary.
struct PretrainingHead: Head {
  let pooler: Pooler
  /// [V, H] The word table.
  let words: Int
  /// [V]
  let wordBias: Int
  let transform: LinearParameters
  let norm: NormParameters
  /// [2, H]
  let nextSentence: LinearParameters
  let configuration: ModelConfiguration

  /// - Precondition: The layout begins with the word table.
  init(_ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    configuration = model
    words = 0
    pooler = Pooler(model.architecture.sequenceHead(model), model, &layout)
    let (hidden, prefix) = (model.hiddenSize, "cls.predictions.")
    wordBias = layout.append(prefix + "bias", [model.vocabularySize])
    transform = LinearParameters(
      prefix + "transform.dense", inputs: hidden, outputs: hidden, &layout)
    norm = NormParameters(prefix + "transform.LayerNorm", width: hidden, &layout)
    nextSentence = LinearParameters("cls.seq_relationship", inputs: hidden, outputs: 2, &layout)
  }

  func makeState() -> any HeadState { PretrainingHeadState(self) }
}

private final class PretrainingHeadState: HeadState {
  private let head: PretrainingHead
  private let pooler: PoolerState
  /// [M, H]
  private var states = ArenaCursor.nowhere
  private var activated = ArenaCursor.nowhere
  private var derivative = ArenaCursor.nowhere
  private var normalized = ArenaCursor.nowhere
  private var transformed = ArenaCursor.nowhere
  private var gradient = ArenaCursor.nowhere
  /// [M]
  private var inverseDeviation = ArenaCursor.nowhere
  /// [M, V] Their gradient after `loss`.
  private var words = ArenaCursor.nowhere
  /// [S, 2]
  private var nextSentence = ArenaCursor.nowhere
  private var nextSentenceGradient = ArenaCursor.nowhere
  /// [S, H]
  private var pooledGradient = ArenaCursor.nowhere

  private var width: Int { head.configuration.hiddenSize }
  private var vocabulary: Int { head.configuration.vocabularySize }

  init(_ head: PretrainingHead) {
    self.head = head
    pooler = PoolerState(head.pooler)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    pooler.take(&cursor, capacity)
    let hidden = capacity.masked * width
    states = cursor.take(hidden)
    activated = cursor.take(hidden)
    derivative = cursor.take(hidden)
    normalized = cursor.take(hidden)
    transformed = cursor.take(hidden)
    gradient = cursor.take(hidden)
    inverseDeviation = cursor.take(capacity.masked)
    words = cursor.take(capacity.masked * vocabulary)
    nextSentence = cursor.take(2 * capacity.sequences)
    nextSentenceGradient = cursor.take(2 * capacity.sequences)
    pooledGradient = cursor.take(capacity.sequences * width)
  }

  func forward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats) {
    pooler.forward(pass, encoder, p)
    Linear.forward(
      nextSentence, pooler.output, p + head.nextSentence.weight, p + head.nextSentence.bias,
      rows: pass.sequences, inputs: width, outputs: 2, pass.pool)
    guard let masked = pass.masked else { return }
    let rows = masked.count
    Gather.forward(states, encoder.hiddenStates, index: masked.tokens, rows: rows, width: width)
    Linear.forward(
      derivative, states, p + head.transform.weight, nil, rows: rows, inputs: width,
      outputs: width, pass.pool)
    GELU.forward(
      activated, derivative, derivative, p + head.transform.bias, rows: rows, width: width,
      pass.pool)
    LayerNorm.forward(
      transformed, normalized, inverseDeviation, activated, p + head.norm.weight,
      p + head.norm.bias, epsilon: head.configuration.layerNormEpsilon, rows: rows, width: width,
      pass.pool)
    Linear.forward(
      words, transformed, p + head.words, p + head.wordBias, rows: rows, inputs: width,
      outputs: vocabulary, pass.pool)
  }

  func logits(_ pass: Pass) -> [Logits] {
    [
      Logits(
        name: "prediction_logits", values: Floats(words), rows: pass.masked?.count ?? 0,
        columns: vocabulary),
      Logits(
        name: "seq_relationship_logits", values: Floats(nextSentence), rows: pass.sequences,
        columns: 2),
    ]
  }

  func loss(_ pass: Pass, _ targets: Targets, _ counts: LossCounts) -> [Double] {
    guard case .pretraining(let masked, let follows) = targets else {
      preconditionFailure("pre-training has no such targets")
    }
    // A batch without a hidden word has no loss for them.
    let wordScale = 1 / Double(max(1, counts.tokens))
    let rowScale = 1 / Double(counts.rows)
    let words = VocabularyCrossEntropy.forwardBackward(
      words, masked.ids, rows: masked.ids.count, vocabulary: vocabulary, scale: Float(wordScale),
      pass.pool)
    let next = CrossEntropy.forwardBackward(
      nextSentenceGradient, nextSentence, follows, rows: pass.sequences, classes: 2,
      scale: Float(rowScale))
    return [wordScale * words + rowScale * next]
  }

  func backward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats, _ g: DenseGradients) {
    Linear.backward(
      pooledGradient, g + head.nextSentence.weight, g + head.nextSentence.bias,
      nextSentenceGradient, pooler.output, p + head.nextSentence.weight, rows: pass.sequenceParts,
      inputs: width, outputs: 2, pass.pool)
    pooler.backward(pooledGradient, pass, encoder, p, g)
    let count = pass.masked?.count ?? 0
    let rows = Parts.one(count)
    Linear.backward(
      gradient, g + head.words, g + head.wordBias, words, transformed, p + head.words, rows: rows,
      inputs: width, outputs: vocabulary, pass.pool)
    LayerNorm.backward(
      gradient, g + head.norm.weight, g + head.norm.bias, gradient, normalized, inverseDeviation,
      p + head.norm.weight, rows: rows, width: width, pass.pool)
    GELU.backward(
      gradient, g + head.transform.bias, gradient, derivative, rows: rows, width: width,
      pass.pool)
    Linear.backward(
      activated, g + head.transform.weight, nil, gradient, states, p + head.transform.weight,
      rows: rows, inputs: width, outputs: width, pass.pool)
    guard let masked = pass.masked else { return }
    Gather.accumulate(
      encoder.outputGradient, activated, index: masked.tokens, rows: count, width: width)
  }
}
