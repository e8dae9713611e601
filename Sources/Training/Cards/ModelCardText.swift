import Manifests

/// A name as Markdown shows it: on one line, in a table's cell too, and whatever it consists of.
func escaped(_ name: String) -> String {
  printable(name).reduce(into: "") { text, character in
    if #"\`*_{}[]()<>#+!|~&$"#.contains(character) { text.append("\\") }
    text.append(character)
  }
}

/// A name between backquotes, in a table's cell too.
///
/// Nothing can be escaped in there, so what would end it or the cell is replaced.
func code(_ name: String) -> String {
  printable(name).replacing("`", with: "'").replacing("|", with: "¦")
}
