import Crypto

/// All that makes a WordPiece tokenizer, whichever files it was read from.
struct TokenizerDefinition: Sendable {
  var vocabulary: Vocabulary
  var unknownToken: String
  var continuationPrefix: String
  var maxScalarsPerWord: Int
  var normalizer: NormalizerSettings
  /// In the order in which equal patterns take precedence: special ones first.
  var addedTokens: [AddedToken]
  var template: Template
  var decoder: WordPieceDecoder?

  /// The place of a token in the model's vocabulary; an added token is not enough for `[UNK]`.
  func unknownID(file: String) throws -> Int32 {
    guard let id = vocabulary.trie.value(of: unknownToken.utf8) else {
      throw TokenizerError(
        place: file, expected: "the unknown token \"\(unknownToken)\" in the vocabulary",
        found: "none", remedy: "take the tokenizer files of one model")
    }
    return id
  }

  /// SHA-256, in hexadecimal, of all that decides which ids a text becomes, so that shards and a
  /// model can be matched. It does not depend on which files the tokenizer was read from.
  ///
  /// The bytes that are hashed, integers being 4 bytes little-endian, strings their UTF-8 after its
  /// length as an integer, truth values a byte:
  /// the line `lockstep vocabulary 1`; the number of tokens; every token in the order of ids;
  /// the unknown token's id; the prefix of continuations; the longest word in scalars;
  /// cleans text, splits Chinese, strips accents (null resolved), lowercases;
  /// for the template of single texts and that of pairs the number of pieces, and of each piece
  /// its kind (0 special token, 1 first text, 2 second text), id (0 for texts) and type id;
  /// the number of added tokens; of each, in the order of ids, its id, special, single word,
  /// strips left, strips right, normalized.
  func sha256(unknownID: Int32) -> String {
    var form = CanonicalForm()
    form.hash.update(data: Array("lockstep vocabulary 1\n".utf8))
    form.append(vocabulary.tokens.count)
    for token in vocabulary.tokens { form.append(token) }
    form.append(Int(unknownID))
    form.append(continuationPrefix)
    form.append(maxScalarsPerWord)
    form.append([
      normalizer.cleansText, normalizer.splitsChinese, normalizer.stripsAccents,
      normalizer.lowercases,
    ])
    for pieces in [template.single, template.pair] {
      form.append(pieces.count)
      for piece in pieces {
        switch piece.content {
        case .special(let id): form.append(0, id: Int(id), typeID: piece.typeID)
        case .first: form.append(1, id: 0, typeID: piece.typeID)
        case .second: form.append(2, id: 0, typeID: piece.typeID)
        }
      }
    }
    form.append(addedTokens.count)
    for token in addedTokens.sorted(by: { $0.id < $1.id }) {
      form.append(Int(token.id))
      form.append([
        token.isSpecial, token.isSingleWord, token.stripsLeft, token.stripsRight,
        token.isNormalized,
      ])
    }
    return form.hexadecimal()
  }
}

/// The bytes described at `TokenizerDefinition.sha256`, hashed as they come.
private struct CanonicalForm {
  var hash = SHA256()

  mutating func append(_ integer: Int) {
    let word = UInt32(truncatingIfNeeded: integer)
    hash.update(data: (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) })
  }

  mutating func append(_ string: String) {
    let bytes = Array(string.utf8)
    append(bytes.count)
    hash.update(data: bytes)
  }

  mutating func append(_ flags: [Bool]) {
    hash.update(data: flags.map { $0 ? 1 : 0 } as [UInt8])
  }

  mutating func append(_ kind: UInt8, id: Int, typeID: UInt8) {
    hash.update(data: [kind])
    append(id)
    hash.update(data: [typeID])
  }

  func hexadecimal() -> String {
    hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
