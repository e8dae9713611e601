import Kernels

extension Architecture {
  /// CANINE (Clark et al., arXiv 2103.06874; Hugging Face's `CanineModel`): rows are characters, by their
  /// code points, and the layers between two shallow ones see one vector for several of them.
  static let canine = Architecture(
    modelType: "canine", className: "Canine", prefix: "canine.",
    keys: ConfigurationNames(classifierDropout: nil, hasVocabulary: false),
    typeVocabularySize: 16,
    readParticulars: { .characters(try CanineSettings($0)) },
    makeEncoder: { CanineEncoder($0, &$1) },
    sequenceHead: { model in
      SequenceHeadDescription(
        dense: CanineEncoder.pooler, activation: .tanh, dropout: model.hiddenDropout,
        output: "classifier")
    },
    tokenDropout: { $0.hiddenDropout })
}

/// What only CANINE's config.json has.
package struct CanineSettings: Sendable, Equatable {
  /// Characters of a molecule.
  let downsamplingRate: Int
  /// Characters that the projection back to characters sees at once.
  let upsamplingKernel: Int
  let hashFunctions: Int
  /// Rows of a hash function's table, and of that of positions.
  let hashBuckets: Int
  /// Characters of a chunk, beyond which the first layer does not look.
  let localStride: Int
  /// The code point that rows are rounded up with.
  let paddingCharacter: Int32

  /// - Throws: `EncoderError` for what no weights can have.
  init(_ keys: ConfigurationKeys) throws {
    downsamplingRate = try keys.size("downsampling_rate", default: 4, maximum: 1 << 10)
    upsamplingKernel = try keys.size("upsampling_kernel_size", default: 4, maximum: 1 << 10)
    hashFunctions = try keys.size(
      "num_hash_functions", default: 8, maximum: HashEmbedding.maxFunctions)
    hashBuckets = try keys.size("num_hash_buckets", default: 16384, maximum: 1 << 20)
    localStride = try keys.size("local_transformer_stride", default: 128)
    paddingCharacter = Int32(
      try keys.size("pad_token_id", default: 0, minimum: 0, maximum: 0x10FFFF))
    guard try keys.size("hidden_size").isMultiple(of: hashFunctions) else {
      throw keys.wrong(
        "hidden_size", expected: "a multiple of num_hash_functions (\(hashFunctions))",
        remedy: "fetch the file again")
    }
    for (key, size) in [
      ("max_position_embeddings", try keys.size("max_position_embeddings", maximum: 1 << 20)),
      ("num_hash_buckets", hashBuckets),
    ] where size < downsamplingRate {
      throw keys.wrong(
        key, expected: "at least downsampling_rate (\(downsamplingRate))",
        remedy: "fetch the file again")
    }
  }
}
