import Crypto

extension TokenizerDefinition {
  /// SHA-256, in hexadecimal, of all that decides which ids a text becomes, so that shards and a
  /// model can be matched. It does not depend on which files the tokenizer was read from. `file` is
  /// named in errors.
  ///
  /// The bytes that are hashed, integers being 4 bytes little-endian, strings their UTF-8 after its
  /// length as an integer, truth values a byte, scores the 4 bytes of a float, little-endian (the
  /// precision that SentencePiece has; tokenizer.json's doubles differ in their last bit):
  ///
  /// for WordPiece the line `lockstep vocabulary 1`; the number of tokens; every token in the order
  /// of ids; the unknown token's id; the prefix of continuations; the longest word in scalars;
  /// cleans text, splits Chinese, strips accents (null resolved), lowercases;
  ///
  /// for the others the line `lockstep vocabulary 2`; the number of tokens; every token in the order
  /// of ids; the model (`append(model:)`) and the normaliser's steps (`append(steps:)`);
  ///
  /// for all: for the template of single texts and that of pairs the number of pieces, and of each
  /// piece its kind (0 special token, 1 first text, 2 second text), id (0 for texts) and type id;
  /// the number of added tokens; of each, in the order of ids, its id, special, single word,
  /// strips left, strips right, normalized.
  func sha256(file: String) throws -> String {
    var form = CanonicalForm()
    if case .wordPiece(let definition) = model, case .bert(let settings)? = normalizer.steps.first {
      form.append(line: "lockstep vocabulary 1")
      form.append(tokens: vocabulary.tokens)
      form.append(Int(try unknownID(definition, file: file)))
      form.append(definition.continuationPrefix)
      form.append(definition.maxScalarsPerWord)
      form.append(settings)
    } else {
      form.append(line: "lockstep vocabulary 2")
      form.append(tokens: vocabulary.tokens)
      form.append(model: model)
      form.append(steps: normalizer.steps)
    }
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
  private var hash = SHA256()

  mutating func append(line: String) { hash.update(data: Array("\(line)\n".utf8)) }

  mutating func append(_ integer: Int) {
    let word = UInt32(truncatingIfNeeded: integer)
    hash.update(data: (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) })
  }

  mutating func append(_ score: Double) {
    append(Int(bitPattern: UInt(Float(score).bitPattern)))
  }

  mutating func append(_ string: String) { append(Array(string.utf8)) }

  mutating func append(_ bytes: [UInt8]) {
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

  mutating func append(tokens: [String]) {
    append(tokens.count)
    for token in tokens { append(token) }
  }

  mutating func append(_ settings: NormalizerSettings) {
    append([
      settings.cleansText, settings.splitsChinese, settings.stripsAccents, settings.lowercases,
    ])
  }

  /// The model's name, then: `byte-level bpe`: adds a prefix space, splits, fuses unknown bytes, looks
  /// words up; the unknown token's id or -1; the number of merges and of each the two ids;
  /// `unigram`: replacement, prefix scheme, splits, number of cuts and of each its name, falls back to
  /// bytes, the unknown token's id, the number of scores, the scores;
  /// `wordpiece` (without BERT's normaliser): unknown token, prefix, longest word; `code points`:
  /// nothing.
  mutating func append(model: ModelDefinition) {
    switch model {
    case .wordPiece(let definition):
      append("wordpiece")
      append(definition.unknownToken)
      append(definition.continuationPrefix)
      append(definition.maxScalarsPerWord)
    case .bytePairs(let definition):
      append("byte-level bpe")
      append([
        definition.preTokenizer.addsPrefixSpace, definition.preTokenizer.splits,
        definition.fusesUnknown, definition.looksUpWords,
      ])
      append(Int(definition.unknownID ?? -1))
      append(definition.merges.count)
      for merge in definition.merges {
        append(Int(merge.left))
        append(Int(merge.right))
      }
    case .unigram(let definition):
      append("unigram")
      append(String(definition.preTokenizer.replacement))
      append(definition.preTokenizer.prefix.rawValue)
      append([definition.preTokenizer.splits])
      append(definition.preTokenizer.cuts.count)
      for cut in definition.preTokenizer.cuts { append(cut.rawValue) }
      append([definition.fallsBackToBytes])
      append(Int(definition.unknownID))
      append(definition.scores.count)
      for score in definition.scores { append(score) }
    case .codePoints: append("code points")
    }
  }

  /// Their number, and of each its name and settings.
  mutating func append(steps: [Normalizer.Step]) {
    append(steps.count)
    for step in steps {
      switch step {
      case .bert(let settings):
        append("bert")
        append(settings)
      case .characterMap(let map):
        append("character map")
        append(map.blob)
      case .strip(let left, let right):
        append("strip")
        append([left, right])
      case .lowercase: append("lowercase")
      case .compose: append("compose")
      case .replace(let pattern, let replacement):
        append("replace")
        switch pattern {
        case .text(let text):
          append("text")
          append(text)
        case .spaces: append("spaces")
        case .whitespace: append("whitespace")
        }
        append(replacement)
      }
    }
  }

  func hexadecimal() -> String {
    hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
