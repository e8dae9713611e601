/// DeBERTa's encoder: BERT's, but for attention and the table that all its layers know distances by.
struct DisentangledEncoder: TextEncoder {
  let configuration: ModelConfiguration
  let embeddings: EmbeddingParameters
  let positions: DisentangledParameters
  let layers: [LayerParameters]

  init(_ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    guard let settings = model.disentangled else { preconditionFailure("not a DeBERTa") }
    configuration = model
    let prefix = model.architecture.prefix
    embeddings = EmbeddingParameters(prefix: prefix + "embeddings.", model, &layout)
    // Complete only after the first layer's backward pass, so before the layers in the layout.
    let encoder = prefix + "encoder."
    let table = layout.append(
      encoder + "rel_embeddings.weight", [2 * settings.span, model.hiddenSize])
    let norm =
      settings.normalizes
      ? NormParameters(encoder + "LayerNorm", width: model.hiddenSize, &layout) : nil
    var stack: [LayerParameters] = []
    var terms: [PositionProjections] = []
    for index in 0..<model.layerCount {
      layout.place = .layer(index)
      let attention = encoder + "layer.\(index).attention.self."
      var biases: (query: Int, value: Int)?
      let layer = LayerParameters(
        prefix: encoder + "layer.\(index).", .deberta, model, &layout,
        projections: settings.isFused
          ? { layout in
            let weight = layout.append(
              attention + "in_proj.weight", [3 * model.hiddenSize, model.hiddenSize])
            let query = layout.append(attention + "q_bias", [model.hiddenSize])
            let value = layout.append(attention + "v_bias", [model.hiddenSize])
            biases = (query, value)
            return (weight, nil)
          } : nil)
      stack.append(layer)
      terms.append(PositionProjections(attention, settings, layer, biases, model, &layout))
    }
    layers = stack
    positions = DisentangledParameters(
      settings: settings, table: table, norm: norm, layers: terms)
  }

  func makeState(isTraining: Bool, threads: Int) -> any EncoderState {
    let attention = DisentangledAttention(
      configuration, positions, isTraining: isTraining, threads: threads)
    return TransformerState(
      configuration, EmbeddingLayer(embeddings, configuration),
      LayerStack(layers, attention, configuration, isTraining: isTraining))
  }
}

extension TransformerNames {
  fileprivate static let deberta = TransformerNames(
    layer: { "encoder.layer.\($0)." },
    query: "attention.self.query_proj", key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense", output: "output.dense", outputNorm: "output.LayerNorm")
}

/// Offsets of what disentangled attention has beside the layers' tensors.
///
/// P span, H hidden.
struct DisentangledParameters: Sendable {
  let settings: DisentangledSettings
  /// [2P, H]
  let table: Int
  let norm: NormParameters?
  let layers: [PositionProjections]
}

/// Offsets of a layer's projections of relative positions.
///
/// H hidden.
struct PositionProjections: Sendable {
  /// [H, H] and [H] each; nil for a term that scores do not have.
  let key: (weight: Int, bias: Int?)?
  let query: (weight: Int, bias: Int?)?
  /// [H] each: the biases of a fused projection.
  let inputBiases: (query: Int, value: Int)?

  init(
    _ prefix: String, _ settings: DisentangledSettings, _ layer: LayerParameters,
    _ biases: (query: Int, value: Int)?, _ model: ModelConfiguration,
    _ layout: inout ParameterLayout
  ) {
    let hidden = model.hiddenSize
    inputBiases = biases
    if settings.sharesKeys {
      // The tokens' own, of which the queries' come first.
      query = (layer.attentionWeight, layer.attentionBias)
      key = (layer.attentionWeight + hidden * hidden, layer.attentionBias.map { $0 + hidden })
      return
    }
    let keyName = prefix + (settings.isFused ? "pos_proj" : "pos_key_proj")
    let queryName = prefix + (settings.isFused ? "pos_q_proj" : "pos_query_proj")
    if settings.contentToPosition {
      let weight = layout.append(keyName + ".weight", [hidden, hidden])
      key = (weight, settings.isFused ? nil : layout.append(keyName + ".bias", [hidden]))
    } else {
      key = nil
    }
    query =
      settings.positionToContent
      ? (
        layout.append(queryName + ".weight", [hidden, hidden]),
        layout.append(queryName + ".bias", [hidden])
      ) : nil
  }
}
