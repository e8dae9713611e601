/// A pretrained model's tokenizer, giving the ids that Hugging Face `tokenizers` gives.
///
/// A text goes through five steps: added tokens such as `[SEP]` are found in it (`AddedTokenMatcher`);
/// what lies between them is normalised (`Normalizer`), cut into words by a pre-tokenizer and made
/// into tokens of the vocabulary (`TokenModel`); special tokens are put around (`Template`). It may be
/// used from any number of threads.
package final class Tokenizer: Sendable {
  /// See `TokenizerDefinition.sha256` for the bytes that it is the hash of: all that decides ids. 64
  /// hexadecimal digits.
  package let vocabularySHA256: String

  private let definition: TokenizerDefinition
  private let model: TokenModel
  private let wordCaches = WordCachePool()
  /// Looks in the text as it is, then in normal form.
  private let rawMatcher: AddedTokenMatcher
  private let normalizedMatcher: AddedTokenMatcher
  private let specialIDs: Set<Int32>
  /// What decoding gives for added tokens that are looked for in normal form: that form.
  private let normalForms: [Int32: String]

  /// Reads tokenizer.json if the folder has one, else the files of the kind that
  /// tokenizer_config.json's `tokenizer_class` or config.json's `model_type` names: vocab.txt;
  /// vocab.json and merges.txt; spm.model or sentencepiece.bpe.model; each with
  /// tokenizer_config.json, special_tokens_map.json and added_tokens.json. CANINE needs no file but
  /// the one that names it. Truncation and padding that a tokenizer.json asks for are left to the
  /// caller. Throws a `TokenizerError`.
  package convenience init(modelFolder: String) throws {
    try self.init(
      definition: TokenizerFiles(modelFolder: modelFolder).readDefinition(), folder: modelFolder)
  }

  init(definition: TokenizerDefinition, folder: String) throws {
    self.definition = definition
    model = try definition.makeModel(file: folder)
    vocabularySHA256 = try definition.sha256(file: folder)
    let raw = definition.addedTokens.filter { !$0.isNormalized }
    rawMatcher = AddedTokenMatcher(tokens: raw, patterns: raw.map { Array($0.content.utf8) })
    let normalized = definition.addedTokens.filter(\.isNormalized)
    let patterns = try Self.patterns(of: normalized, definition.normalizer, folder: folder)
    normalizedMatcher = AddedTokenMatcher(tokens: normalized, patterns: patterns)
    normalForms = Dictionary(
      uniqueKeysWithValues: zip(
        normalized.map(\.id), patterns.map { String(decoding: $0, as: UTF8.self) }))
    specialIDs =
      definition.model == .codePoints
      ? CodePoints.specialIDs : Set(definition.addedTokens.filter(\.isSpecial).map(\.id))
  }

  /// The normal forms of added tokens that are looked for in normal form.
  private static func patterns(
    of tokens: [AddedToken], _ normalizer: Normalizer, folder: String
  ) throws -> [[UInt8]] {
    let patterns = tokens.map { token in
      var pattern: [UInt8] = []
      normalizer.normalize(Array(token.content.utf8).span, into: &pattern)
      return pattern
    }
    if let index = patterns.firstIndex(where: \.isEmpty) {
      throw TokenizerError(
        place: folder, expected: "added tokens with something left in normal form",
        found: "\"\(tokens[index].content)\"", remedy: "mark it as not normalized")
    }
    // Normal forms can be several times as long as the tokens, whose length was checked.
    let numBytes = patterns.reduce(0) { $0 + $1.count }
    guard numBytes < ByteTrie.maxNodes else {
      throw TokenizerError(
        place: folder, expected: "added tokens of less than \(ByteTrie.maxNodes) bytes",
        found: "\(numBytes) in normal form",
        remedy: "take the tokenizer files of the pretrained model as they were published")
    }
    return patterns
  }

  var template: Template { definition.template }

  var trimming: SpaceTrimming? { definition.trimming }

  /// The number of ids, added tokens included.
  package var vocabularyCount: Int {
    definition.model == .codePoints ? CodePoints.count : definition.vocabulary.tokens.count
  }

  /// The token of an id, nil for an id that the vocabulary does not have.
  package func token(of id: Int32) -> String? {
    if definition.model == .codePoints {
      return Unicode.Scalar(UInt32(bitPattern: id)).map { String($0) }
    }
    let tokens = definition.vocabulary.tokens
    return tokens.indices.contains(Int(id)) ? tokens[Int(id)] : nil
  }

  /// The id of a token, compared by its bytes; nil if the vocabulary does not have it.
  package func id(of token: String) -> Int32? {
    guard definition.model == .codePoints else { return definition.vocabulary.id(of: token) }
    let scalars = token.unicodeScalars
    return scalars.count == 1 ? scalars.first.map { Int32($0.value) } : nil
  }

  /// The tokens that stand for no word, in rising order.
  package var specialTokenIDs: [Int32] { specialIDs.sorted() }

  /// The token that hides a word in pre-training: `[MASK]` or `<mask>`, CANINE's code point; nil where
  /// there is none.
  package var maskID: Int32? {
    if definition.model == .codePoints { return CodePoints.mask }
    return ["[MASK]", "<mask>"].lazy.compactMap { self.id(of: $0) }.first
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
    var first = TokenIDs()
    first.words = wordCaches.take()
    defer { wordCaches.giveBack(first.words) }
    // What a single text has beyond the budget need not be tokenized; a pair's lengths are compared.
    tokenize(text, limit: pair == nil ? budget : .max, into: &first)
    guard let pair else {
      return template.apply(first: first.ids.prefix(budget), second: nil as [Int32]?)
    }
    var second = TokenIDs()
    // Moved, since a copy would be written to.
    swap(&first.words, &second.words)
    tokenize(pair, limit: .max, into: &second)
    swap(&first.words, &second.words)
    let kept = kept(first: first.count, second: second.count, budget: budget)
    return template.apply(
      first: first.ids.prefix(kept.first), second: second.ids.prefix(kept.second))
  }

  /// How many tokens of each text of a pair stay. CANINE's tokenizer is written in Python.
  func kept(first: Int, second: Int, budget: Int) -> (first: Int, second: Int) {
    longestFirst(
      first: first, second: second, budget: budget, favorsFirst: definition.model == .codePoints)
  }

  /// The ids of a text without special tokens around.
  package func tokens(of text: String) -> [Int32] {
    var tokens = TokenIDs()
    tokens.words = wordCaches.take()
    defer { wordCaches.giveBack(tokens.words) }
    tokenize(text, limit: .max, into: &tokens)
    return tokens.ids
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

  /// The text that ids stand for. What normalising took away (case, accents, spacing) is lost. Ids
  /// that the vocabulary does not have are left out.
  package func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) -> String {
    let tokens = ids.compactMap { id in
      skipSpecialTokens && specialIDs.contains(id) ? nil : normalForms[id] ?? token(of: id)
    }
    return definition.decoder?.decode(tokens)
      ?? tokens.joined(separator: definition.model == .codePoints ? "" : " ")
  }

  /// Appends the tokens of `text` without special tokens around; tokenizing stops soon after `limit`
  /// tokens. `isWord` says that it is one word of a text.
  func tokenize<Tokens: TokenOutput>(
    _ text: String, isWord: Bool = false, limit: Int, into tokens: inout Tokens
  ) {
    let bytes = text.utf8.span
    if bytes.isEmpty { return }
    let needsNormalForm = Tokens.Text.keepsSources || !definition.normalizer.steps.isEmpty
    var normalized = Tokens.Text()
    for piece in rawMatcher.split(bytes) where tokens.count < limit {
      if let id = piece.id {
        tokens.append(match: id, range: piece.range, of: bytes)
        continue
      }
      let text = bytes.extracting(piece.range)
      let position = Position(isAtStart: piece.range.lowerBound == 0, isWord: isWord)
      guard needsNormalForm else {
        tokenize(normalized: text, position, limit: limit, into: &tokens)
        continue
      }
      normalized.removeAll()
      definition.normalizer.normalize(text, into: &normalized)
      let start = tokens.count
      tokenize(normalized: normalized.bytes.span, position, limit: limit, into: &tokens)
      tokens.resolve(from: start, in: normalized, offset: piece.range.lowerBound)
    }
  }

  /// What pre-tokenizers know of where a piece of text stands.
  private struct Position {
    var isAtStart: Bool
    var isWord: Bool
  }

  private func tokenize(
    normalized text: Span<UInt8>, _ position: Position, limit: Int,
    into tokens: inout some TokenOutput
  ) {
    if text.isEmpty { return }
    if normalizedMatcher.isEmpty {
      model.tokenize(
        0..<text.count, of: text, isFirst: position.isAtStart, isWord: position.isWord,
        limit: limit, into: &tokens)
      return
    }
    for piece in normalizedMatcher.split(text) where tokens.count < limit {
      if let id = piece.id {
        tokens.append(match: id, range: piece.range, of: text)
      } else {
        model.tokenize(
          piece.range, of: text, isFirst: position.isAtStart && piece.range.lowerBound == 0,
          isWord: position.isWord, limit: limit, into: &tokens)
      }
    }
  }
}
