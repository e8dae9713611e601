/// Offsets of a BERT sequence classifier's tensors in the arenas.
///
/// Names and shapes are those of Hugging Face's `BertForSequenceClassification`.
struct BertParameters: Sendable {
  struct Layer: Sendable {
    /// [3H, H] and [3H]: query, key and value, one after the other.
    let attentionWeight: Int
    let attentionBias: Int
    /// [H, H] and [H]
    let attentionOutputWeight: Int
    let attentionOutputBias: Int
    let attentionNormWeight: Int
    let attentionNormBias: Int
    /// [I, H] and [I]
    let intermediateWeight: Int
    let intermediateBias: Int
    /// [H, I] and [H]
    let outputWeight: Int
    let outputBias: Int
    let outputNormWeight: Int
    let outputNormBias: Int
  }

  /// [V, H], [P, H] and [types, H]
  let wordEmbeddings: Int
  let positionEmbeddings: Int
  let typeEmbeddings: Int?
  let embeddingNormWeight: Int
  let embeddingNormBias: Int
  let layers: [Layer]
  /// [H, H] and [H]
  let poolerWeight: Int
  let poolerBias: Int
  /// [L, H] and [L]
  let classifierWeight: Int
  let classifierBias: Int
  let layout: ParameterLayout

  init(_ model: ModelConfiguration) {
    let hidden = model.hiddenSize
    var layout = ParameterLayout()
    let embeddings = "bert.embeddings."
    wordEmbeddings = layout.append(
      embeddings + "word_embeddings.weight", [model.vocabularySize, hidden])
    positionEmbeddings = layout.append(
      embeddings + "position_embeddings.weight", [model.maxPositions, hidden])
    typeEmbeddings =
      model.typeVocabularySize == 0
      ? nil
      : layout.append(
        embeddings + "token_type_embeddings.weight", [model.typeVocabularySize, hidden])
    embeddingNormWeight = layout.append(embeddings + "LayerNorm.weight", [hidden])
    embeddingNormBias = layout.append(embeddings + "LayerNorm.bias", [hidden])
    layers = (0..<model.layerCount).map {
      Layer(prefix: "bert.encoder.layer.\($0).", model, &layout)
    }
    poolerWeight = layout.append("bert.pooler.dense.weight", [hidden, hidden])
    poolerBias = layout.append("bert.pooler.dense.bias", [hidden])
    let labels = model.labelNames.count
    classifierWeight = layout.append("classifier.weight", [labels, hidden])
    classifierBias = layout.append("classifier.bias", [labels])
    self.layout = layout
  }
}

extension BertParameters.Layer {
  fileprivate init(prefix: String, _ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    let hidden = model.hiddenSize
    let intermediate = model.intermediateSize
    let projections = ["query", "key", "value"].map { prefix + "attention.self.\($0)." }
    let weights = projections.map { layout.append($0 + "weight", [hidden, hidden]) }
    let biases = projections.map { layout.append($0 + "bias", [hidden]) }
    attentionWeight = weights[0]
    attentionBias = biases[0]
    attentionOutputWeight = layout.append(
      prefix + "attention.output.dense.weight", [hidden, hidden])
    attentionOutputBias = layout.append(prefix + "attention.output.dense.bias", [hidden])
    attentionNormWeight = layout.append(prefix + "attention.output.LayerNorm.weight", [hidden])
    attentionNormBias = layout.append(prefix + "attention.output.LayerNorm.bias", [hidden])
    intermediateWeight = layout.append(
      prefix + "intermediate.dense.weight", [intermediate, hidden])
    intermediateBias = layout.append(prefix + "intermediate.dense.bias", [intermediate])
    outputWeight = layout.append(prefix + "output.dense.weight", [hidden, intermediate])
    outputBias = layout.append(prefix + "output.dense.bias", [hidden])
    outputNormWeight = layout.append(prefix + "output.LayerNorm.weight", [hidden])
    outputNormBias = layout.append(prefix + "output.LayerNorm.bias", [hidden])
  }
}
