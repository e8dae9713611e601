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

  /// One line; what could steer a terminal, as tokens of strange files may, is written as `\u{..}`,
  /// and long parts are cut.
  package var description: String {
    "\(shown(place)): expected \(shown(expected)), found \(shown(found)); \(remedy)"
  }

  /// Counted in scalars: a single character of a strange file can have millions.
  private func shown(_ part: String) -> String {
    let scalars = part.unicodeScalars
    var text = ""
    for scalar in scalars.prefix(1000) {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        text += "\\u{\(String(scalar.value, radix: 16))}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return scalars.count > 1000 ? text + "…" : text
  }
}
