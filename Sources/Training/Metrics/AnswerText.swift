/// How like two answers are, as SQuAD's evaluation scripts count it: without case, ASCII punctuation,
/// English articles and extra space.
package enum AnswerText {
  /// Whose rules: they differ where nothing is left of an answer.
  package enum Rules: Sendable {
    /// evaluate-v1.1.py: answers that have no word in common have no F1.
    case squad1
    /// evaluate-v2.0.py: two empty answers agree, and gold answers of which nothing is left do not count.
    case squad2
  }

  /// 1 where the best of the gold answers is the prediction, else 0.
  ///
  /// - Parameter gold: May be empty: the right answer is then none.
  package static func exactMatch(_ prediction: String, gold: [String], _ rules: Rules) -> Double {
    let words = normalizedWords(prediction)
    return accepted(gold, rules).contains { $0 == words } ? 1 : 0
  }

  /// The largest F1 between the words of the prediction and those of a gold answer.
  ///
  /// - Parameter gold: May be empty: the right answer is then none.
  package static func f1(_ prediction: String, gold: [String], _ rules: Rules) -> Double {
    let words = normalizedWords(prediction)
    return accepted(gold, rules).map { f1(words, $0, rules) }.max() ?? 0
  }

  /// UTF-8: Swift's strings are equal where Unicode calls them equivalent, Python's only where their
  /// scalars are.
  private typealias Word = [UInt8]

  private static func accepted(_ gold: [String], _ rules: Rules) -> [[Word]] {
    let words = gold.map(normalizedWords)
    guard rules == .squad2 else { return words }
    let whole = words.filter { !$0.isEmpty }
    return whole.isEmpty ? [[]] : whole
  }

  private static func f1(_ prediction: [Word], _ gold: [Word], _ rules: Rules) -> Double {
    if rules == .squad2, prediction.isEmpty || gold.isEmpty { return prediction == gold ? 1 : 0 }
    var counts: [Word: Int] = [:]
    for word in gold { counts[word, default: 0] += 1 }
    var common = 0
    for word in prediction {
      guard let count = counts[word], count > 0 else { continue }
      counts[word] = count - 1
      common += 1
    }
    guard common > 0 else { return 0 }
    let precision = Double(common) / Double(prediction.count)
    let recall = Double(common) / Double(gold.count)
    return 2 * precision * recall / (precision + recall)
  }

  /// The scripts' `normalize_answer`.
  package static func normalized(_ text: String) -> String {
    String(decoding: Array(normalizedWords(text).joined(separator: [0x20])), as: UTF8.self)
  }

  private static func normalizedWords(_ text: String) -> [Word] {
    let scalars = lowercased(Array(text.unicodeScalars)).filter { !isPunctuation($0) }
    var words: [Word] = []
    var word: Word = []
    func endWord() {
      if !word.isEmpty { words.append(word) }
      word = []
    }
    // An article is a whole run of word characters, and leaves a space: a hyphen of typographers or a
    // combining mark beside it does not save it, as in Python's `\b(a|an|the)\b`.
    var start = scalars.startIndex
    while start < scalars.endIndex {
      let isWord = isWordCharacter(scalars[start])
      let end = scalars[start...].firstIndex { isWordCharacter($0) != isWord } ?? scalars.endIndex
      let run = scalars[start..<end]
      if isWord, articles.contains(String(String.UnicodeScalarView(run))) {
        endWord()
      } else {
        for scalar in run {
          if isSpace(scalar) { endWord() } else { word += UTF8.encode(scalar) ?? .init() }
        }
      }
      start = end
    }
    endWord()
    return words
  }

  private static let articles: Set = ["a", "an", "the"]

  /// Python's `str.lower`: full mappings, and a capital sigma that ends a word becomes ς.
  private static func lowercased(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(scalars.count)
    for (index, scalar) in scalars.enumerated() {
      if scalar == "\u{3a3}" {
        let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
        let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
        let endsWord = before?.properties.isCased == true && after?.properties.isCased != true
        result.append(endsWord ? "\u{3c2}" : "\u{3c3}")
      } else {
        result += scalar.properties.lowercaseMapping.unicodeScalars
      }
    }
    return result
  }

  /// Python's `string.punctuation`.
  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: true
    default: false
    }
  }

  /// What `\w` of Python's `re` matches, but for the underscore, which is punctuation: letters and what
  /// has a numeric value. Combining marks are not among them.
  private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: scalar.properties.numericType != nil
    }
  }

  /// What `str.split` of Python splits at: white space, and the four separators of ASCII.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
  }
}
