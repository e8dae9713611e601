/// What sets one family of models apart: how config.json and the weights name things, which tensors
/// there are, and which parts compute.
///
/// A family is a value of this type in a file of its own; ``all`` is the one place that lists them.
/// docs/adding-an-architecture.md goes through it.
package struct Architecture: Sendable {
  /// `model_type` in config.json.
  package let modelType: String
  /// What Hugging Face's class names begin with: `Bert`.
  let className: String
  /// What the encoder's tensor names begin with where there is a head: `bert.`.
  let prefix: String
  /// What config.json calls the sizes.
  var keys = ConfigurationNames()
  /// `layer_norm_eps` where config.json does not say.
  var layerNormEpsilon = 1e-12
  /// Rows of the type table where config.json does not say.
  var typeVocabularySize = 2
  /// The index of a row's first token in the table of positions.
  var positionOffset: @Sendable (ConfigurationKeys) throws -> Int = { _ in 0 }
  /// The token that pads rows in Hugging Face's batches.
  var paddingID: @Sendable (ConfigurationKeys) throws -> Int? = {
    try $0.size("pad_token_id", default: 0, minimum: 0, maximum: 1 << 24)
  }
  /// Refuses variants that are not computed, and reads what only this family has.
  var readParticulars: @Sendable (ConfigurationKeys) throws -> Particulars = { _ in .none }
  /// Appends the encoder's tensors to a layout.
  let makeEncoder: @Sendable (ModelConfiguration, inout ParameterLayout) -> any TextEncoder
  /// The head on one vector a row.
  let sequenceHead: @Sendable (ModelConfiguration) -> SequenceHeadDescription
  /// Dropout before the head that labels tokens.
  var tokenDropout: @Sendable (ModelConfiguration) -> Float = { $0.classifierDropout }
  /// Whether there is a head that predicts hidden words and next sentences. Without one, config.json's
  /// class for pre-training is an encoder's.
  package var pretrains = false

  /// Every family that lockstep knows.
  package static let all: [Architecture] = [
    .bert, .roberta, .xlmRoberta, .distilBert, .mpnet, .canine, .deberta, .debertaV2,
  ]

  static func named(_ modelType: String) -> Architecture? {
    all.first { $0.modelType == modelType }
  }
}

extension Architecture: Equatable {
  package static func == (a: Architecture, b: Architecture) -> Bool { a.modelType == b.modelType }
}

/// What config.json calls the sizes that every family has.
struct ConfigurationNames: Sendable {
  var hiddenSize = "hidden_size"
  var layerCount = "num_hidden_layers"
  var headCount = "num_attention_heads"
  var intermediateSize = "intermediate_size"
  var activation = "hidden_act"
  var hiddenDropout = "hidden_dropout_prob"
  var attentionDropout = "attention_probs_dropout_prob"
  /// nil: the dropout of hidden states.
  var classifierDropout: String? = "classifier_dropout"
  /// Dropout before the dense layer of a sequence's head; nil: none.
  var poolerDropout: String?
  /// Dropout before the answer's head; nil: none.
  var answerDropout: String?
  var hasTypes = true
  var hasVocabulary = true
}

/// What only one family's config.json has.
package enum Particulars: Sendable, Equatable {
  case none
  /// MPNet: rows of the table of biases by distance.
  case relativeBias(buckets: Int)
  case characters(CanineSettings)
  /// DeBERTa: what attention knows of relative positions.
  case disentangled(DisentangledSettings)
}
