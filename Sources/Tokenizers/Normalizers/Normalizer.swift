/// What is done to a text before it is cut into words: steps, one after the other, each as Hugging
/// Face `tokenizers` has it.
struct Normalizer: Sendable, Equatable {
  enum Step: Sendable, Equatable {
    case bert(NormalizerSettings)
    /// SentencePiece's map of characters.
    case characterMap(CharacterMap)
    /// Takes white space off the ends.
    case strip(left: Bool, right: Bool)
    case lowercase
    case replace(ReplacedPattern, by: String)
    /// Composes canonically.
    case compose
  }

  /// What `replace` looks for; of regular expressions those that SentencePiece's conversions use.
  enum ReplacedPattern: Sendable, Equatable {
    case text(String)
    /// ` {2,}`
    case spaces
    /// `\s{2,}|[\n\r\t]`
    case whitespace
  }

  let steps: [Step]
  private let bert: BertNormalizer?

  init(steps: [Step]) {
    self.steps = steps
    let settings = steps.compactMap { if case .bert(let settings) = $0 { settings } else { nil } }
    bert = settings.first.map(BertNormalizer.init(settings:))
  }

  static func == (first: Normalizer, second: Normalizer) -> Bool { first.steps == second.steps }

  /// Appends the normal form of `text`, which is valid UTF-8, to `output`, which is empty.
  func normalize<Output: NormalizedText>(_ text: Span<UInt8>, into output: inout Output) {
    guard let first = steps.first else {
      output.append(contentsOf: text, in: 0..<text.count)
      return
    }
    apply(first, to: text, into: &output)
    for step in steps.dropFirst() {
      var next = Output()
      apply(step, to: output.bytes.span, into: &next)
      next.resolveSources(through: output)
      output = next
    }
  }

  private func apply<Output: NormalizedText>(
    _ step: Step, to text: Span<UInt8>, into output: inout Output
  ) {
    switch step {
    case .bert: bert?.normalize(text, into: &output)
    case .characterMap(let map): map.normalize(text, into: &output)
    case .strip(let left, let right):
      output.append(contentsOf: text, in: Self.stripped(text, left: left, right: right))
    case .lowercase: Self.lowercase(text, into: &output)
    case .replace(let pattern, let replacement):
      Self.replace(pattern, by: Array(replacement.utf8), in: text, into: &output)
    case .compose: CanonicalComposition.compose(text, into: &output)
    }
  }

  private static func stripped(_ text: Span<UInt8>, left: Bool, right: Bool) -> Range<Int> {
    var range = 0..<text.count
    while left, !range.isEmpty {
      var next = range.lowerBound
      guard CharacterClasses.isWhitespace(nextScalar(in: text, at: &next)) else { break }
      range = next..<range.upperBound
    }
    while right, !range.isEmpty {
      let last = scalarBefore(range.upperBound, in: text)
      guard CharacterClasses.isWhitespace(last.scalar) else { break }
      range = range.lowerBound..<last.start
    }
    return range
  }

  private static func lowercase(_ text: Span<UInt8>, into output: inout some NormalizedText) {
    var position = 0
    while position < text.count {
      let start = position
      let scalar = nextScalar(in: text, at: &position)
      for lower in scalar.properties.lowercaseMapping.unicodeScalars {
        output.append(lower, source: start..<position)
      }
    }
  }

  /// The replacement comes, by Hugging Face's count, from the last scalar of what it replaces.
  private static func replace(
    _ pattern: ReplacedPattern, by replacement: [UInt8], in text: Span<UInt8>,
    into output: inout some NormalizedText
  ) {
    var position = 0
    while position < text.count {
      if let end = endOfMatch(of: pattern, in: text, at: position) {
        let last = scalarBefore(end, in: text).start..<end
        for byte in replacement { output.append(byte, source: last) }
        position = end
      } else {
        let start = position
        _ = nextScalar(in: text, at: &position)
        output.append(contentsOf: text, in: start..<position)
      }
    }
  }

  private static func endOfMatch(
    of pattern: ReplacedPattern, in text: Span<UInt8>, at start: Int
  ) -> Int? {
    var end = start
    switch pattern {
    case .text(let sought):
      for byte in sought.utf8 {
        guard end < text.count, text[end] == byte else { return nil }
        end += 1
      }
      return end
    case .spaces:
      while end < text.count, text[end] == UInt8(ascii: " ") { end += 1 }
      return end - start > 1 ? end : nil
    case .whitespace:
      var count = 0
      while end < text.count {
        var next = end
        guard CharacterClasses.isWhitespace(nextScalar(in: text, at: &next)) else { break }
        end = next
        count += 1
      }
      let isOne = count == 1 && [0x0A, 0x0D, 0x09].contains(text[start])
      return count > 1 || isOne ? end : nil
    }
  }
}
