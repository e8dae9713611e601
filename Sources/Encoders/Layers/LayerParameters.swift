/// What an architecture calls the tensors of its layers.
///
/// Names are without the architecture's prefix, and those in a layer without the layer's; what is
/// given is the module, to which `.weight` and `.bias` are appended.
struct TransformerNames: Sendable {
  /// Of a layer's index: `encoder.layer.0.`
  let layer: @Sendable (Int) -> String
  let query: String
  let key: String
  let value: String
  let attentionOutput: String
  let attentionNorm: String
  let intermediate: String
  let output: String
  let outputNorm: String
}

/// Offsets of one encoder layer's tensors in the arenas.
///
/// H hidden, I intermediate.
struct LayerParameters: Sendable {
  /// [3H, H] and [3H]: query, key and value, one after the other. DeBERTa's first version has them by
  /// heads instead, and biases that are apart.
  let attentionWeight: Int
  let attentionBias: Int?
  /// [H, H] and [H]
  let attentionOutput: LinearParameters
  let attentionNorm: NormParameters
  /// [I, H] and [I]
  let intermediate: LinearParameters
  /// [H, I] and [H]
  let output: LinearParameters
  let outputNorm: NormParameters

  /// The layer's first tensor in the layout.
  var first: Int { attentionWeight }

  /// - Parameter projections: Appends the weight and bias of queries, keys and values where they are not
  ///   three tensors each; nil: they are.
  init(
    prefix: String, _ names: TransformerNames, _ model: ModelConfiguration,
    _ layout: inout ParameterLayout,
    projections: ((inout ParameterLayout) -> (weight: Int, bias: Int?))? = nil
  ) {
    let hidden = model.hiddenSize
    (attentionWeight, attentionBias) =
      projections?(&layout) ?? Self.projections(prefix, names, hidden, &layout)
    attentionOutput = LinearParameters(
      prefix + names.attentionOutput, inputs: hidden, outputs: hidden, &layout)
    attentionNorm = NormParameters(prefix + names.attentionNorm, width: hidden, &layout)
    intermediate = LinearParameters(
      prefix + names.intermediate, inputs: hidden, outputs: model.intermediateSize, &layout)
    output = LinearParameters(
      prefix + names.output, inputs: model.intermediateSize, outputs: hidden, &layout)
    outputNorm = NormParameters(prefix + names.outputNorm, width: hidden, &layout)
  }

  private static func projections(
    _ prefix: String, _ names: TransformerNames, _ hidden: Int, _ layout: inout ParameterLayout
  ) -> (weight: Int, bias: Int?) {
    let modules = [names.query, names.key, names.value].map { prefix + $0 }
    let weights = modules.map { layout.append($0 + ".weight", [hidden, hidden]) }
    let biases = modules.map { layout.append($0 + ".bias", [hidden]) }
    return (weights[0], biases[0])
  }
}

/// Offsets of a fully connected layer's weight [outputs, inputs] and bias [outputs].
struct LinearParameters: Sendable {
  let weight: Int
  let bias: Int

  init(weight: Int, bias: Int) {
    self.weight = weight
    self.bias = bias
  }

  init(_ name: String, inputs: Int, outputs: Int, _ layout: inout ParameterLayout) {
    weight = layout.append(name + ".weight", [outputs, inputs])
    bias = layout.append(name + ".bias", [outputs])
  }
}

/// Offsets of a LayerNorm's scale and shift, each [width].
struct NormParameters: Sendable {
  let weight: Int
  let bias: Int

  init(_ name: String, width: Int, _ layout: inout ParameterLayout) {
    weight = layout.append(name + ".weight", [width])
    bias = layout.append(name + ".bias", [width])
  }
}
