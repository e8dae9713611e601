/// All that makes a tokenizer, whichever files it was read from.
struct TokenizerDefinition: Sendable {
  /// Empty for code points.
  var vocabulary: Vocabulary
  var normalizer: Normalizer
  var model: ModelDefinition
  /// In the order in which equal patterns take precedence: special ones first.
  var addedTokens: [AddedToken]
  var template: Template
  /// Nil if what tokens stand for keeps its spaces.
  var trimming: SpaceTrimming?
  var decoder: TokenDecoder?
}

/// A model and the pre-tokenizer before it, with tokens by name where the files name them.
enum ModelDefinition: Sendable, Equatable {
  case wordPiece(WordPieceDefinition)
  case bytePairs(BytePairDefinition)
  case unigram(UnigramDefinition)
  case codePoints
}

struct WordPieceDefinition: Sendable, Equatable {
  /// Of the model's vocabulary; an added token is not enough.
  var unknownToken: String
  var continuationPrefix: String
  var maxScalarsPerWord: Int
}

struct BytePairDefinition: Sendable, Equatable {
  var preTokenizer: ByteLevelPreTokenizer
  /// The first comes first.
  var merges: [BytePairEncoding.Merge]
  /// What a byte without token becomes; nil if nothing.
  var unknownID: Int32?
  var fusesUnknown = false
  /// Whether a word that is a token is that token, without merging (`ignore_merges`).
  var looksUpWords = false
}

struct UnigramDefinition: Sendable, Equatable {
  var preTokenizer: MetaspacePreTokenizer
  /// By id.
  var scores: [Double]
  var unknownID: Int32
  /// Whether what no piece matches becomes tokens such as `<0x0A>`.
  var fallsBackToBytes: Bool
}

extension TokenizerDefinition {
  /// The model, ready to use. `file` is named in errors.
  func makeModel(file: String) throws -> TokenModel {
    switch model {
    case .wordPiece(let definition):
      let unknownID = try unknownID(definition, file: file)
      return .wordPiece(
        BertPreTokenizer(),
        WordPiece(
          trie: vocabulary.trie, unknownID: unknownID,
          continuationPrefix: definition.continuationPrefix,
          maxScalarsPerWord: definition.maxScalarsPerWord))
    case .bytePairs(let definition):
      return .bytePairs(
        definition.preTokenizer,
        BytePairEncoding(
          byteIDs: ByteAlphabet.scalars.map { vocabulary.trie.value(of: String($0).utf8) },
          merges: definition.merges, unknownID: definition.unknownID,
          fusesUnknown: definition.fusesUnknown,
          wholeWords: definition.looksUpWords ? wordsByBytes() : nil))
    case .unigram(let definition):
      let byteIDs = (0..<256).map { byte in
        let hexadecimal = String(byte, radix: 16, uppercase: true)
        let token = "<0x\(byte < 16 ? "0" : "")\(hexadecimal)>"
        return definition.fallsBackToBytes ? vocabulary.trie.value(of: token.utf8) : nil
      }
      return .unigram(
        definition.preTokenizer,
        Unigram(
          trie: vocabulary.trie, scores: definition.scores, unknownID: definition.unknownID,
          byteIDs: byteIDs))
    case .codePoints: return .codePoints
    }
  }

  func unknownID(_ definition: WordPieceDefinition, file: String) throws -> Int32 {
    guard let id = vocabulary.trie.value(of: definition.unknownToken.utf8) else {
      throw TokenizerError(
        place: file,
        expected: "the unknown token \"\(definition.unknownToken)\" in the vocabulary",
        found: "none", remedy: "take the tokenizer files of one model")
    }
    return id
  }

  private func wordsByBytes() -> ByteTrie {
    var words = ByteTrie(capacity: vocabulary.trie.nodeCount)
    for (id, token) in vocabulary.tokens.enumerated()
    where vocabulary.trie.value(of: token.utf8) != nil {
      if let bytes = ByteAlphabet.bytes(of: token) { _ = words.insert(bytes, value: Int32(id)) }
    }
    return words
  }
}
