import Kernels

/// Offsets of the tables that a character's embedding is made of, and of the LayerNorm after it.
struct HashEmbeddingParameters: Sendable {
  /// [F, B, H / F]: the tables of the hash functions, one after the other.
  let tables: Int
  /// [B, H]
  let position: Int
  /// [types, H]; nil without types.
  let type: Int?
  let norm: NormParameters

  init(
    prefix: String, _ model: ModelConfiguration, _ canine: CanineSettings,
    _ layout: inout ParameterLayout
  ) {
    let (hidden, buckets) = (model.hiddenSize, canine.hashBuckets)
    let offsets = (0..<canine.hashFunctions).map {
      layout.append(
        prefix + "HashBucketCodepointEmbedder_\($0).weight",
        [buckets, hidden / canine.hashFunctions])
    }
    tables = offsets[0]
    position = layout.append(prefix + "char_position_embeddings.weight", [buckets, hidden])
    type =
      model.typeVocabularySize == 0
      ? nil
      : layout.append(
        prefix + "token_type_embeddings.weight", [model.typeVocabularySize, hidden])
    norm = NormParameters(prefix + "LayerNorm", width: hidden, &layout)
  }
}

/// dropout(LayerNorm(hash buckets + type + position)). Padding is a character like others.
///
/// T characters, H hidden.
final class HashEmbeddings {
  private let parameters: HashEmbeddingParameters
  private let configuration: ModelConfiguration
  private let canine: CanineSettings
  private let end: NormDropout
  /// Which characters of a batch have which row of the hash and position tables, and which type.
  private let bucketTokens: RowTokens
  private let typeTokens: RowTokens

  init(
    _ parameters: HashEmbeddingParameters, _ configuration: ModelConfiguration,
    _ canine: CanineSettings
  ) {
    self.parameters = parameters
    self.configuration = configuration
    end = NormDropout(parameters.norm, configuration, site: 0)
    self.canine = canine
    bucketTokens = RowTokens(tableRows: canine.hashBuckets)
    typeTokens = RowTokens(tableRows: configuration.typeVocabularySize)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) { end.take(&cursor, capacity) }

  /// [T, H] The first layer's input.
  var output: MutableFloats { end.output }

  func forward(_ scratch: Scratch, _ pass: Pass, _ p: Floats) -> Floats {
    let (rows, width) = (pass.tokens.count, configuration.hiddenSize)
    HashEmbedding.forward(
      scratch.a, tables: p + parameters.tables, position: p + parameters.position,
      type: parameters.type.map { p + $0 }, ids: pass.at.inputIDs,
      positions: pass.at.tokens.positions, typeIDs: pass.at.typeIDs,
      functions: canine.hashFunctions, buckets: canine.hashBuckets, rows: rows, width: width,
      pass.pool)
    return end.forward(scratch.a, pass, p)
  }

  /// Takes the gradient of `output` from scratch A, and overwrites the tables' gradients.
  func backward(_ scratch: Scratch, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    let gradient = scratch.a
    end.backward(gradient, pass, p, g)
    pass.sumRows(g + parameters.position, gradient, bucketTokens) {
      Int(pass.at.tokens.positions[$0])
    }
    if let table = parameters.type {
      pass.sumRows(g + table, gradient, typeTokens) { Int(pass.at.typeIDs?[$0] ?? 0) }
    }
    HashEmbedding.backward(
      g + parameters.tables, Floats(gradient), ids: pass.at.inputIDs, bucketTokens,
      functions: canine.hashFunctions, buckets: canine.hashBuckets, rows: pass.tokens.parts,
      width: configuration.hiddenSize, pass.pool)
  }
}
