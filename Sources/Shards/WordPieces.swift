/// A stretch of a text that is tokenized by itself, so that its tokens are known to come from it.
package struct TextPiece: Sendable, Equatable {
  package let text: String
  /// In the whole text's UTF-8.
  package let range: Range<Int>
}

/// Cuts a text into runs of letters and digits and single other characters; spaces are in none.
///
/// BERT's tokenizer cuts at least there, so the pieces' tokens are those of the whole text.
package func pieces(of text: String) -> [TextPiece] {
  var pieces: [TextPiece] = []
  var open = ""
  var start = 0
  var position = 0
  func close() {
    if !open.isEmpty { pieces.append(TextPiece(text: open, range: start..<position)) }
    open = ""
  }
  for scalar in text.unicodeScalars {
    let width = UTF8.width(scalar)
    let properties = scalar.properties
    let isJoined =
      properties.isAlphabetic || properties.numericType != nil
      || [.nonspacingMark, .spacingMark, .format].contains(properties.generalCategory)
    if !isJoined {
      close()
      if !properties.isWhitespace {
        pieces.append(TextPiece(text: String(scalar), range: position..<position + width))
      }
    } else {
      if open.isEmpty { start = position }
      open.unicodeScalars.append(scalar)
    }
    position += width
  }
  close()
  return pieces
}
