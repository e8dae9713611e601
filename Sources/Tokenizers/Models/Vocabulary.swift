/// A model's tokens: their ids are 0 ..< count, each used once. Added tokens that the model itself
/// does not know come in `tokens` but not in `trie`.
struct Vocabulary: Sendable {
  /// By id.
  let tokens: [String]
  /// The model's own tokens and their ids.
  let trie: ByteTrie

  /// An entry of a vocabulary file and where it stands there, for error messages.
  struct Entry {
    var token: String
    var id: Int
    var place: String
  }

  /// That of a model without tokens of its own.
  init() {
    tokens = []
    trie = ByteTrie()
  }

  /// Checks that every token and every id comes once and that no id is left out.
  init(model: [Entry], added: [Entry], file: String) throws {
    if model.isEmpty {
      throw TokenizerError(
        place: file, expected: "a vocabulary", found: "no tokens", remedy: Self.remedy)
    }
    let numBytes = (model + added).reduce(0) { $0 + $1.token.utf8.count }
    guard numBytes < ByteTrie.maxNodes else {
      throw TokenizerError(
        place: file, expected: "a vocabulary of less than \(ByteTrie.maxNodes) bytes",
        found: "\(numBytes)", remedy: Self.remedy)
    }
    var trie = ByteTrie(capacity: numBytes / 2 + 1)
    for entry in model where trie.insert(entry.token.utf8, value: Int32(clamping: entry.id)) != nil
    {
      throw Self.failure(entry, expected: "every token once", found: "it twice")
    }
    var entries = model
    var addedTrie = ByteTrie()
    for entry in added {
      if addedTrie.insert(entry.token.utf8, value: 0) != nil {
        throw Self.failure(entry, expected: "every added token once", found: "it twice")
      }
      guard let id = trie.value(of: entry.token.utf8) else {
        entries.append(entry)
        continue
      }
      if Int(id) != entry.id {
        throw Self.failure(
          entry, expected: "id \(id), as the vocabulary has it", found: "id \(entry.id)")
      }
    }
    var tokens = [String?](repeating: nil, count: entries.count)
    for entry in entries {
      guard tokens.indices.contains(entry.id) else {
        throw Self.failure(
          entry, expected: "\(entries.count) ids from 0 to \(entries.count - 1) without a gap",
          found: "id \(entry.id)")
      }
      if let other = tokens[entry.id] {
        throw Self.failure(
          entry, expected: "every id once", found: "id \(entry.id) for \"\(other)\" too")
      }
      tokens[entry.id] = entry.token
    }
    self.tokens = tokens.compactMap { $0 }
    self.trie = trie
  }

  /// The id of a token, whether the model's own or added.
  func id(of token: String) -> Int32? {
    trie.value(of: token.utf8)
      ?? tokens.lastIndex { $0.hasSameBytes(as: token) }.map { Int32($0) }
  }

  private static let remedy =
    "take the tokenizer files of the pretrained model as they were published"

  private static func failure(_ entry: Entry, expected: String, found: String) -> TokenizerError {
    TokenizerError(
      place: "\(entry.place), token \"\(entry.token.prefix(60))\"", expected: expected,
      found: found,
      remedy: remedy)
  }
}
