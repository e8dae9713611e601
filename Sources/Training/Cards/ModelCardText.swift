import Manifests

/// A name as Markdown shows it: on one line, in a table's cell too, and whatever it consists of.
func escaped(_ name: String) -> String {
  // By scalars: a mark that joins the character before it does not hide that from Markdown.
  var text = String.UnicodeScalarView()
  for scalar in printable(name).unicodeScalars {
    if #"\`*_{}[]()<>#+!|~&$"#.unicodeScalars.contains(scalar) { text.append("\\") }
    text.append(scalar)
  }
  return String(text)
}

/// A name between backquotes, in a table's cell too.
///
/// Nothing can be escaped in there, so what would end it or the cell is replaced.
func code(_ name: String) -> String {
  String(
    String.UnicodeScalarView(
      printable(name).unicodeScalars.map { ["`": "'", "|": "¦"][$0] ?? $0 }))
}
