extension Architecture {
  /// MPNet (Song et al., arXiv 2004.09297; Hugging Face's `MPNetModel`): RoBERTa with a bias on the
  /// scores for how far apart two tokens are.
  static let mpnet = Architecture(
    modelType: "mpnet", className: "MPNet", prefix: "mpnet.",
    keys: ConfigurationNames(classifierDropout: nil, hasTypes: false),
    typeVocabularySize: 0,
    // Hugging Face's padding index is 1, whatever config.json says.
    positionOffset: { _ in 2 },
    paddingID: { _ in 1 },
    readParticulars: { keys in
      .relativeBias(
        buckets: try keys.size(
          "relative_attention_num_buckets", default: 32, minimum: RelativeBias.buckets))
    },
    makeEncoder: { model, layout in
      TransformerEncoder(
        model, &layout,
        TransformerNames(
          layer: { "encoder.layer.\($0)." },
          query: "attention.attn.q", key: "attention.attn.k", value: "attention.attn.v",
          attentionOutput: "attention.attn.o", attentionNorm: "attention.LayerNorm",
          intermediate: "intermediate.dense", output: "output.dense",
          outputNorm: "output.LayerNorm"),
        bias: "encoder.relative_attention_bias.weight")
    },
    sequenceHead: { .denseAndProjection(dropout: $0.hiddenDropout) })
}
