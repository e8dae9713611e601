/// `name` in backquotes for a message: one line, no control characters, cut after 120 characters.
///
/// Names come out of files that strangers wrote, and messages go to terminals.
package func quoted(_ name: String) -> String {
  let scalars = name.unicodeScalars
  let start = printable(String(String.UnicodeScalarView(scalars.prefix(120))))
  return scalars.count > 120 ? "`\(start)…`" : "`\(start)`"
}

/// `name` with what could steer a terminal or break a line written as `\u{..}`.
package func printable(_ name: String) -> String {
  var text = ""
  for scalar in name.unicodeScalars {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator:
      text += "\\u{\(String(scalar.value, radix: 16))}"
    default: text.unicodeScalars.append(scalar)
    }
  }
  return text
}
