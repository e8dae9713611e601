import Manifests

/// HTML or SVG that is written from front to back. Texts and attributes are escaped, so that no name
/// or path can become markup.
struct Markup {
  private(set) var html = ""

  /// `<name attributes>content</name>`
  mutating func element(
    _ name: String, _ attributes: KeyValuePairs<String, String> = [:],
    _ content: (inout Markup) -> Void
  ) {
    open(name, attributes)
    content(&self)
    html += "</\(name)>"
  }

  /// An element that has nothing but a text.
  mutating func element(
    _ name: String, _ attributes: KeyValuePairs<String, String> = [:], text: String
  ) {
    element(name, attributes) { $0.text(text) }
  }

  /// An element without content: HTML's void ones, SVG's shapes.
  mutating func empty(_ name: String, _ attributes: KeyValuePairs<String, String> = [:]) {
    open(name, attributes)
    html.removeLast()
    html += "/>"
  }

  mutating func text(_ text: String) { html += escaped(text) }

  /// What is markup already: never a name from a file.
  mutating func markup(_ markup: String) { html += markup }

  mutating func lineBreak() { html += "\n" }

  private mutating func open(_ name: String, _ attributes: KeyValuePairs<String, String>) {
    html += "<\(name)"
    for (key, value) in attributes { html += " \(key)=\"\(escaped(value))\"" }
    html += ">"
  }
}

/// `text` as it may stand between tags and within double quotes, with what steers the direction of
/// text, or cannot be seen, written as `\u{..}`.
func escaped(_ text: String) -> String {
  guard
    text.utf8.contains(where: {
      $0 < 0x20 || $0 >= 0x7f || [0x26, 0x3c, 0x3e, 0x22, 0x27].contains($0)
    })
  else { return text }
  var escaped = ""
  for character in printable(text).unicodeScalars {
    switch character {
    case "&": escaped += "&amp;"
    case "<": escaped += "&lt;"
    case ">": escaped += "&gt;"
    case "\"": escaped += "&quot;"
    case "'": escaped += "&#39;"
    default: escaped.unicodeScalars.append(character)
    }
  }
  return escaped
}
