/// What the tokenizer of the model folder says of itself.
package struct VocabularyIdentity: Codable, Sendable {
  /// Its fingerprint, which shards carry too.
  package let sha256: String
  /// Names of its files in the model folder, copied into every checkpoint.
  package let files: [String]
  /// Tokens of the vocabulary.
  package let count: Int
  /// The token that hides a word in pre-training; nil where there is none.
  package let maskID: Int32?
  /// Tokens that stand for no word.
  package let specialIDs: [Int32]

  package init(sha256: String, files: [String], count: Int, maskID: Int32?, specialIDs: [Int32]) {
    self.count = count
    self.sha256 = sha256
    self.files = files
    self.maskID = maskID
    self.specialIDs = specialIDs
  }

  /// What hides words in pre-training.
  ///
  /// - Throws: `TrainingError` for a tokenizer without a mask token.
  package func masking(
    seed: UInt64, vocabularySize: Int, of model: String
  ) throws -> WordMasking {
    WordMasking(
      seed: seed, maskID: try requireMask(maskID, of: model), specialIDs: specialIDs,
      vocabularySize: vocabularySize)
  }
}

/// The token that hides a word.
///
/// - Throws: `TrainingError` for a tokenizer without one.
package func requireMask(_ maskID: Int32?, of model: String) throws -> Int32 {
  guard let maskID else {
    throw TrainingError(
      .data, model, expected: "a tokenizer with a mask token", found: "none",
      remedy: "add [MASK] to its vocabulary")
  }
  return maskID
}
