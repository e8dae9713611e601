extension Architecture {
  /// DistilBERT (Sanh et al., arXiv 1910.01108; Hugging Face's `DistilBertModel`).
  static let distilBert = Architecture(
    modelType: "distilbert", className: "DistilBert", prefix: "distilbert.",
    keys: ConfigurationNames(
      hiddenSize: "dim", layerCount: "n_layers", headCount: "n_heads",
      intermediateSize: "hidden_dim", activation: "activation", hiddenDropout: "dropout",
      attentionDropout: "attention_dropout", classifierDropout: "seq_classif_dropout",
      answerDropout: "qa_dropout", hasTypes: false),
    typeVocabularySize: 0,
    makeEncoder: {
      TransformerEncoder(
        $0, &$1,
        TransformerNames(
          layer: { "transformer.layer.\($0)." },
          query: "attention.q_lin", key: "attention.k_lin", value: "attention.v_lin",
          attentionOutput: "attention.out_lin", attentionNorm: "sa_layer_norm",
          intermediate: "ffn.lin1", output: "ffn.lin2", outputNorm: "output_layer_norm"))
    },
    sequenceHead: { model in
      SequenceHeadDescription(
        dense: "pre_classifier", activation: .relu, dropout: model.classifierDropout,
        output: "classifier")
    },
    tokenDropout: { $0.hiddenDropout })
}
