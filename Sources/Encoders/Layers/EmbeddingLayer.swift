import Kernels

/// Offsets of the tables that a token's embedding is summed from, and of the LayerNorm after it.
struct EmbeddingParameters: Sendable {
  /// [V, H]
  let word: Int
  /// [P, H]; nil where positions are known to attention alone.
  let position: Int?
  /// [types, H]
  let type: Int?
  let norm: NormParameters

  init(prefix: String, _ model: ModelConfiguration, _ layout: inout ParameterLayout) {
    let hidden = model.hiddenSize
    word = layout.appendWordTable(
      prefix + "word_embeddings.weight", [model.vocabularySize, hidden],
      isTied: model.tiesWordTable)
    position =
      model.hasPositionTable
      ? layout.append(prefix + "position_embeddings.weight", [model.maxPositions, hidden]) : nil
    type =
      model.typeVocabularySize == 0
      ? nil
      : layout.append(
        prefix + "token_type_embeddings.weight", [model.typeVocabularySize, hidden])
    norm = NormParameters(prefix + "LayerNorm", width: hidden, &layout)
  }
}

/// dropout(LayerNorm(word + position + type)). The padding token's word has no gradient, as in
/// torch.nn.Embedding with a padding_idx.
///
/// T tokens, H hidden.
final class EmbeddingLayer {
  private let parameters: EmbeddingParameters
  private let configuration: ModelConfiguration
  private let end: NormDropout
  /// Which tokens of a batch have which position, and which type.
  private let positionTokens: RowTokens
  private let typeTokens: RowTokens
  /// Of a table that has a gradient from the head too; nil: the caller sums the words' gradients.
  private let tiedWords: TiedWords?

  init(_ parameters: EmbeddingParameters, _ configuration: ModelConfiguration) {
    self.parameters = parameters
    self.configuration = configuration
    end = NormDropout(parameters.norm, configuration, site: 0)
    positionTokens = RowTokens(tableRows: configuration.maxPositions)
    typeTokens = RowTokens(tableRows: configuration.typeVocabularySize)
    tiedWords =
      configuration.tiesWordTable
      ? TiedWords(parameters.word, configuration.vocabularySize, configuration.hiddenSize) : nil
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) { end.take(&cursor, capacity) }

  /// [T, H] The first layer's input.
  var output: MutableFloats { end.output }

  func forward(_ scratch: Scratch, _ pass: Pass, _ p: Floats) -> Floats {
    let (rows, width) = (pass.tokens.count, configuration.hiddenSize)
    Embedding.forward(
      scratch.a, word: p + parameters.word,
      position: parameters.position.map { p + ($0 + configuration.positionOffset * width) },
      type: parameters.type.map { p + $0 }, ids: pass.at.inputIDs,
      positions: pass.at.tokens.positions, typeIDs: pass.at.typeIDs, rows: rows, width: width,
      pass.pool)
    _ = end.forward(scratch.a, pass, p)
    clearPadding(of: output, pass)
    return Floats(output)
  }

  /// Takes the gradient of `output` from scratch A, and leaves that of the embeddings' sum there.
  func backward(
    _ scratch: Scratch, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) -> Floats {
    let (rows, width) = (pass.tokens.count, configuration.hiddenSize)
    let gradient = scratch.a
    clearPadding(of: gradient, pass)
    end.backward(gradient, pass, p, g)
    if let table = parameters.position {
      let offset = configuration.positionOffset
      pass.sumRows(g + table, gradient, positionTokens) {
        Int(pass.at.tokens.positions[$0]) + offset
      }
    }
    if let table = parameters.type {
      pass.sumRows(g + table, gradient, typeTokens) { Int(pass.at.typeIDs?[$0] ?? 0) }
    }
    for token in 0..<rows where Int(pass.at.inputIDs[token]) == configuration.paddingID {
      (gradient + token * width).update(repeating: 0, count: width)
    }
    tiedWords?.add(Floats(gradient), scratch.b, pass, g)
    return Floats(gradient)
  }

  /// Sets the rows [H] of padding to 0, where the architecture does so.
  private func clearPadding(of x: MutableFloats, _ pass: Pass) {
    guard configuration.masksPadding, let keyCounts = pass.tokens.keyCounts else { return }
    let (bounds, width) = (pass.tokens.cumulativeLengths, configuration.hiddenSize)
    for s in 0..<pass.sequences {
      let first = Int(bounds[s]) + Int(keyCounts[s])
      (x + first * width).update(repeating: 0, count: (Int(bounds[s + 1]) - first) * width)
    }
  }
}

/// Adds the gradients of a batch's words to a dense table's, which the head has overwritten.
private final class TiedWords {
  private let table: Int
  private let width: Int
  private let touched: TouchedRows
  private let tokens: RowTokens

  init(_ table: Int, _ rows: Int, _ width: Int) {
    self.table = table
    self.width = width
    touched = TouchedRows(tableRows: rows)
    tokens = RowTokens(tableRows: rows)
  }

  /// - Parameters:
  ///   - gradient: [T, H] Of each token's word embedding.
  ///   - sums: [T, H] Scratch.
  func add(_ gradient: Floats, _ sums: MutableFloats, _ pass: Pass, _ g: DenseGradients) {
    let ids = UnsafeBufferPointer(start: pass.at.inputIDs, count: pass.tokens.count)
    touched.replace(with: ids)
    tokens.sort(ids, into: touched.rows)
    Embedding.sumRows(
      sums, gradient, tokens, parts: pass.tokens.parts, width: width, pass.pool)
    for (index, row) in touched.rows.enumerated() {
      Reduction.add(
        g + (table + Int(row) * width), Floats(sums) + index * width, count: width, pass.pool)
    }
  }
}
