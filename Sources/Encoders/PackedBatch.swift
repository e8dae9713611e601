import Kernels

/// Rows of a dataset one after the other, without padding: what a forward pass takes.
///
/// T tokens, S sequences.
package struct PackedBatch: Sendable {
  /// [T]
  package let inputIDs: [Int32]
  /// [T], or nil where every token is of type 0.
  package let typeIDs: [UInt8]?
  /// [S+1]: sequence s is tokens `cumulativeLengths[s]..<cumulativeLengths[s + 1]`.
  package let cumulativeLengths: [Int32]
  /// [S]: each sequence's row in the dataset, which keys its dropout.
  package let rows: [UInt32]
  /// [S]: how many of a sequence's tokens are real, its first ones; nil for all.
  package let keyCounts: [Int32]?
  /// The micro-batches, by sequences: each one's gradient is summed by itself.
  package let sequenceParts: Parts
  /// The same by tokens.
  package let tokenParts: Parts
  let coordinates: BatchCoordinates

  package var tokenCount: Int { inputIDs.count }
  package var sequenceCount: Int { rows.count }

  /// - Parameters:
  ///   - parts: The micro-batches, by sequences; nil for one.
  ///   - keyCounts: [S] How many tokens of a sequence are real, its first ones; nil for all. The others
  ///     are padding that is computed but not looked at.
  ///   - masked: The tokens whose words are to be predicted, in rising order.
  /// - Precondition: The counts agree and `cumulativeLengths` rises from 0 to T.
  package init(
    inputIDs: [Int32], typeIDs: [UInt8]? = nil, cumulativeLengths: [Int32], rows: [UInt32],
    parts: Parts? = nil, keyCounts: [Int32]? = nil, masked: [Int32] = []
  ) {
    precondition(cumulativeLengths.count == rows.count + 1, "one more bound than sequences")
    precondition(Int(cumulativeLengths[rows.count]) == inputIDs.count, "the last bound is T")
    precondition(typeIDs == nil || typeIDs?.count == inputIDs.count, "one type a token")
    self.inputIDs = inputIDs
    self.typeIDs = typeIDs
    self.cumulativeLengths = cumulativeLengths
    self.rows = rows
    self.keyCounts = keyCounts
    precondition(
      keyCounts.map { counts in
        counts.count == rows.count
          && counts.indices.allSatisfy {
            let length = cumulativeLengths[$0 + 1] - cumulativeLengths[$0]
            return min(1, length)...length ~= counts[$0]
          }
      } ?? true, "a sequence has from one to all of its tokens as keys")
    sequenceParts = parts ?? .one(rows.count)
    precondition(sequenceParts.rows == rows.count, "the parts have all sequences")
    tokenParts = sequenceParts.scaled { Int(cumulativeLengths[$0]) }
    var tokenRows: [UInt32] = []
    var positions: [UInt32] = []
    tokenRows.reserveCapacity(inputIDs.count)
    positions.reserveCapacity(inputIDs.count)
    for sequence in rows.indices {
      let length = Int(cumulativeLengths[sequence + 1] - cumulativeLengths[sequence])
      precondition(length >= 0, "bounds rise")
      for position in 0..<length {
        tokenRows.append(rows[sequence])
        positions.append(UInt32(position))
      }
    }
    coordinates = BatchCoordinates(
      inputIDs: inputIDs, typeIDs: typeIDs, cumulativeLengths: cumulativeLengths, rows: rows,
      tokenRows: tokenRows, positions: positions, keyCounts: keyCounts,
      masked: masked)
  }

  /// The row in the dataset that a token is of.
  package func row(ofToken token: Int) -> UInt32 {
    rows[(cumulativeLengths.firstIndex { Int($0) > token } ?? rows.count) - 1]
  }

  /// What buffers must hold for it.
  var capacity: Capacity {
    let lengths = zip(cumulativeLengths, cumulativeLengths.dropFirst()).map { Int($1 - $0) }
    return Capacity(
      tokens: tokenCount, sequences: sequenceCount, longest: lengths.max() ?? 0,
      squares: lengths.reduce(0) { $0 + $1 * $1 }, masked: coordinates.masked?.count ?? 0)
  }

  /// Refuses what the tables of the model do not hold.
  ///
  /// - Throws: `EncoderError` naming the dataset row.
  package func check(against configuration: ModelConfiguration) throws {
    for sequence in rows.indices {
      let tokens = Int(cumulativeLengths[sequence])..<Int(cumulativeLengths[sequence + 1])
      guard !tokens.isEmpty, tokens.count <= configuration.maxTokens else {
        throw EncoderError(
          "row \(rows[sequence])", expected: "1 to \(configuration.maxTokens) tokens",
          found: "\(tokens.count)",
          remedy: "cut the shards with a --max-length of at most \(configuration.maxTokens)")
      }
      for token in tokens
      where inputIDs[token] < 0 || Int(inputIDs[token]) >= configuration.vocabularySize {
        throw EncoderError(
          "row \(rows[sequence]), token \(token - tokens.lowerBound)",
          expected: "an id below the model's vocabulary of \(configuration.vocabularySize)",
          found: "\(inputIDs[token])", remedy: "cut the shards with this model's tokenizer")
      }
      // A family with types may have a model without a table of them, which does not look at types.
      guard let typeIDs,
        configuration.typeVocabularySize > 0 || !configuration.architecture.keys.hasTypes
      else { continue }
      for token in tokens where Int(typeIDs[token]) >= max(1, configuration.typeVocabularySize) {
        throw EncoderError(
          "row \(rows[sequence]), token \(token - tokens.lowerBound)",
          expected: "a token type below \(configuration.typeVocabularySize)",
          found: "\(typeIDs[token])", remedy: "use a model that knows pairs of texts")
      }
    }
  }
}
