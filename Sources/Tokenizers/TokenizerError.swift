/// What is wrong with a tokenizer's files or with a text given to it.
package struct TokenizerError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The file with line and column or JSON key, or the argument.
  package let place: String
  package let expected: String
  package let found: String
  /// What the user can do about it.
  package let remedy: String

  package init(place: String, expected: String, found: String, remedy: String) {
    self.place = place
    self.expected = expected
    self.found = found
    self.remedy = remedy
  }

  /// One line; what could steer a terminal, as tokens of strange files may, is written as `\u{..}`.
  package var description: String {
    var text = ""
    for scalar in "\(place): expected \(expected), found \(found); \(remedy)".unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        text += "\\u{\(String(scalar.value, radix: 16))}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
