/// What takes the tokens that a model makes: ids alone, or ids with what each stands for. The steps
/// of a tokenizer are generic over it, so that ids alone cost nothing more.
protocol TokenOutput {
  /// The form of the text that the tokens are made from.
  associatedtype Text: NormalizedText

  var count: Int { get }
  /// `range` is what the token stands for: in the text as the model has it, until `resolve` is called.
  mutating func append(_ id: Int32, range: Range<Int>)
  /// An added token that was found in `text` itself.
  mutating func append(match id: Int32, range: Range<Int>, of text: Span<UInt8>)
  mutating func truncate(to count: Int)
  /// The tokens from index `start` on, whose ranges are of `text`, get ranges of the bytes that
  /// `text` was made from, those moved by `offset`.
  mutating func resolve(from start: Int, in text: Text, offset: Int)
  /// Appends the tokens of a word that was remembered, and says whether it was.
  mutating func appendRemembered(_ word: Range<Int>, of text: Span<UInt8>) -> Bool
  /// Remembers the tokens from index `start` on as those of the word.
  mutating func remember(_ word: Range<Int>, of text: Span<UInt8>, from start: Int)
}

extension TokenOutput {
  /// Appends the tokens of a word as they are remembered, or else as `make` appends them.
  @inline(__always)
  mutating func appendOnce(
    _ word: Range<Int>, of text: Span<UInt8>, _ make: (inout Self) -> Void
  ) {
    if appendRemembered(word, of: text) { return }
    let start = count
    make(&self)
    remember(word, of: text, from: start)
  }
}

struct TokenIDs: TokenOutput {
  typealias Text = [UInt8]

  private(set) var ids: [Int32] = []
  var words = WordCache()

  var count: Int { ids.count }

  @inline(__always)
  mutating func append(_ id: Int32, range: Range<Int>) { ids.append(id) }

  mutating func append(match id: Int32, range: Range<Int>, of text: Span<UInt8>) {
    ids.append(id)
  }

  mutating func truncate(to count: Int) { ids.removeSubrange(count...) }

  @inline(__always)
  mutating func resolve(from start: Int, in text: [UInt8], offset: Int) {}

  @inline(__always)
  mutating func appendRemembered(_ word: Range<Int>, of text: Span<UInt8>) -> Bool {
    words.appendIDs(of: word, in: text, to: &ids)
  }

  mutating func remember(_ word: Range<Int>, of text: Span<UInt8>, from start: Int) {
    words.insert(word, of: text, ids: ids[start...])
  }
}

/// Tokens with the ranges that they stand for.
struct AlignedTokens: TokenOutput {
  private(set) var ids: [Int32] = []
  /// [tokens]
  var ranges: [Range<Int>] = []
  /// By index, of tokens found in the text itself, how many scalars of white space they took along.
  private(set) var matches: [Int: (leading: Int, trailing: Int)] = [:]

  var count: Int { ids.count }

  mutating func append(_ id: Int32, range: Range<Int>) {
    ids.append(id)
    ranges.append(range)
  }

  mutating func append(match id: Int32, range: Range<Int>, of text: Span<UInt8>) {
    var form: [UInt8] = []
    form.append(contentsOf: text, in: range)
    matches[count] = SpaceTrimming.spaces(around: String(decoding: form, as: UTF8.self))
    append(id, range: range)
  }

  mutating func truncate(to count: Int) {
    ids.removeSubrange(count...)
    ranges.removeSubrange(count...)
  }

  mutating func resolve(from start: Int, in text: AlignedText, offset: Int) {
    for index in start..<ids.count {
      let source = text.source(of: ranges[index])
      ranges[index] = source.lowerBound + offset..<source.upperBound + offset
    }
  }

  mutating func appendRemembered(_ word: Range<Int>, of text: Span<UInt8>) -> Bool { false }

  mutating func remember(_ word: Range<Int>, of text: Span<UInt8>, from start: Int) {}
}
