/// BERT's WordPiece tokenizer, giving the ids that Hugging Face `tokenizers` gives.
///
/// A text goes through five steps: added tokens such as `[SEP]` are found in it; what lies between
/// them is normalised (`BertNormalizer`), cut into words (`BertPreTokenizer`) and words into vocabulary
/// entries (`WordPiece`); special tokens are put around (`Template`). It may be used from any number
/// of threads.
package final class Tokenizer: Sendable {
  /// See `TokenizerDefinition.sha256` for the bytes that it is the hash of: id-ordered tokens,
  /// special tokens and normaliser settings. 64 hexadecimal digits.
  package let vocabularySHA256: String

  private let definition: TokenizerDefinition
  var template: Template { definition.template }
  private let normalizer: BertNormalizer
  private let splitter = BertPreTokenizer()
  private let model: WordPiece
  /// Looks in the text as it is, then in normal form.
  private let rawMatcher: AddedTokenMatcher
  private let normalizedMatcher: AddedTokenMatcher
  private let specialIDs: Set<Int32>
  /// What decoding gives for added tokens that are looked for in normal form: that form.
  private let normalForms: [Int32: String]

  /// Reads tokenizer.json if the folder has one, else vocab.txt with tokenizer_config.json,
  /// special_tokens_map.json and added_tokens.json. Truncation and padding that a tokenizer.json
  /// asks for are left to the caller. Throws a `TokenizerError`.
  package convenience init(modelFolder: String) throws {
    try self.init(
      definition: TokenizerFiles(modelFolder: modelFolder).readDefinition(), folder: modelFolder)
  }

  init(definition: TokenizerDefinition, folder: String) throws {
    self.definition = definition
    let unknownID = try definition.unknownID(file: folder)
    vocabularySHA256 = definition.sha256(unknownID: unknownID)
    let normalizer = BertNormalizer(settings: definition.normalizer)
    self.normalizer = normalizer
    model = WordPiece(
      trie: definition.vocabulary.trie, unknownID: unknownID,
      continuationPrefix: definition.continuationPrefix,
      maxScalarsPerWord: definition.maxScalarsPerWord)
    let raw = definition.addedTokens.filter { !$0.isNormalized }
    rawMatcher = AddedTokenMatcher(tokens: raw, patterns: raw.map { Array($0.content.utf8) })
    let normalized = definition.addedTokens.filter(\.isNormalized)
    let patterns = normalized.map { token in
      var pattern: [UInt8] = []
      normalizer.normalize(Array(token.content.utf8).span, into: &pattern)
      return pattern
    }
    if let index = patterns.firstIndex(where: \.isEmpty) {
      throw TokenizerError(
        place: folder, expected: "added tokens with something left in normal form",
        found: "\"\(normalized[index].content)\"", remedy: "mark it as not normalized")
    }
    // Normal forms can be several times as long as the tokens, whose length was checked.
    let numBytes = patterns.reduce(0) { $0 + $1.count }
    guard numBytes < ByteTrie.maxNodes else {
      throw TokenizerError(
        place: folder, expected: "added tokens of less than \(ByteTrie.maxNodes) bytes",
        found: "\(numBytes) in normal form",
        remedy: "take the tokenizer files of the pretrained model as they were published")
    }
    normalizedMatcher = AddedTokenMatcher(tokens: normalized, patterns: patterns)
    normalForms = Dictionary(
      uniqueKeysWithValues: zip(
        normalized.map(\.id), patterns.map { String(decoding: $0, as: UTF8.self) }))
    specialIDs = Set(definition.addedTokens.filter(\.isSpecial).map(\.id))
  }

  /// The number of ids, added tokens included.
  package var vocabularyCount: Int { definition.vocabulary.tokens.count }

  /// The token of an id, nil for an id that the vocabulary does not have.
  package func token(of id: Int32) -> String? {
    let tokens = definition.vocabulary.tokens
    return tokens.indices.contains(Int(id)) ? tokens[Int(id)] : nil
  }

  /// The id of a token, compared by its bytes; nil if the vocabulary does not have it.
  package func id(of token: String) -> Int32? { definition.vocabulary.id(of: token) }

  /// The tokens that stand for no word, in rising order.
  package var specialTokenIDs: [Int32] { specialIDs.sorted() }

  /// The token that hides a word in pre-training: `[MASK]` or `<mask>`; nil where there is neither.
  package var maskID: Int32? {
    ["[MASK]", "<mask>"].lazy.compactMap { self.id(of: $0) }.first
  }

  /// How many special tokens are put around a text or a pair: the least `maxLength`.
  package func numSpecialTokens(isPair: Bool) -> Int {
    template.numSpecialTokens(isPair: isPair)
  }

  /// - Parameters:
  ///   - pair: The second text; an empty one still makes a pair.
  ///   - maxLength: The most ids, special tokens included; longer texts are cut at the end, in
  ///     pairs the longer one first. nil for any length.
  /// - Throws: `TokenizerError` if `maxLength` has no place for the special tokens.
  package func encode(
    _ text: String, pair: String? = nil, maxLength: Int? = nil
  ) throws -> Encoding {
    let budget = try budget(maxLength: maxLength, isPair: pair != nil)
    // What a single text has beyond the budget need not be tokenized; a pair's lengths are compared.
    var first: [Int32] = []
    tokenize(text, limit: pair == nil ? budget : .max, into: &first)
    guard let pair else {
      return template.apply(first: first.prefix(budget), second: nil as [Int32]?)
    }
    var second: [Int32] = []
    tokenize(pair, limit: .max, into: &second)
    let kept = longestFirst(first: first.count, second: second.count, budget: budget)
    return template.apply(
      first: first.prefix(kept.first), second: second.prefix(kept.second))
  }

  /// The ids of a text without special tokens around.
  package func tokens(of text: String) -> [Int32] {
    var ids: [Int32] = []
    tokenize(text, limit: .max, into: &ids)
    return ids
  }

  /// Puts special tokens around tokens: what `encode` does with those of whole texts.
  ///
  /// - Returns: The ids, and where each text's tokens begin among them.
  package func assemble(
    _ first: [Int32], pair second: [Int32]? = nil
  ) -> (encoding: Encoding, firstStart: Int, secondStart: Int?) {
    let encoding = template.apply(first: first, second: second)
    let starts = template.starts(first: first.count, isPair: second != nil)
    return (encoding, starts.first, starts.second)
  }

  /// How many tokens of the texts `maxLength` has place for.
  func budget(maxLength: Int?, isPair: Bool) throws -> Int {
    let numSpecial = numSpecialTokens(isPair: isPair)
    if let maxLength, maxLength < numSpecial {
      throw TokenizerError(
        place: "maximum length", expected: "at least \(numSpecial) for the special tokens",
        found: "\(maxLength)", remedy: "allow more tokens")
    }
    return maxLength.map { $0 - numSpecial } ?? Int.max
  }

  /// The text that ids stand for: words joined by spaces, continuations without. What normalising
  /// took away (case, accents, spacing) is lost. Ids that the vocabulary does not have are left out.
  package func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) -> String {
    let tokens = ids.compactMap { id in
      skipSpecialTokens && specialIDs.contains(id) ? nil : normalForms[id] ?? token(of: id)
    }
    return definition.decoder?.decode(tokens) ?? tokens.joined(separator: " ")
  }

  /// Appends the tokens of `text` without special tokens around; tokenizing stops soon after `limit`
  /// tokens.
  func tokenize<Tokens: TokenOutput>(_ text: String, limit: Int, into tokens: inout Tokens) {
    let bytes = text.utf8.span
    if bytes.isEmpty { return }
    var normalized = Tokens.Text()
    for piece in rawMatcher.split(bytes) where tokens.count < limit {
      if let id = piece.id {
        tokens.append(id, range: piece.range)
        continue
      }
      normalized.removeAll()
      normalizer.normalize(bytes.extracting(piece.range), into: &normalized)
      let start = tokens.count
      tokenizeNormalized(normalized.bytes.span, limit: limit, into: &tokens)
      tokens.resolve(from: start, in: normalized, offset: piece.range.lowerBound)
    }
  }

  private func tokenizeNormalized(
    _ text: Span<UInt8>, limit: Int, into tokens: inout some TokenOutput
  ) {
    if normalizedMatcher.isEmpty {
      tokenizeWords(0..<text.count, of: text, limit: limit, into: &tokens)
      return
    }
    for piece in normalizedMatcher.split(text) {
      if let id = piece.id {
        tokens.append(id, range: piece.range)
      } else {
        tokenizeWords(piece.range, of: text, limit: limit, into: &tokens)
      }
    }
  }

  private func tokenizeWords(
    _ part: Range<Int>, of text: Span<UInt8>, limit: Int, into tokens: inout some TokenOutput
  ) {
    var position = part.lowerBound
    while tokens.count < limit,
      let word = splitter.nextWord(in: text, from: &position, to: part.upperBound)
    {
      model.tokenize(word, of: text, into: &tokens)
    }
  }
}
