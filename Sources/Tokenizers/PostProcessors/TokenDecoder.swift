/// Puts tokens together to text again.
enum TokenDecoder: Sendable, Equatable {
  case wordPiece(WordPieceDecoder)
  /// Tokens spelled in GPT-2's alphabet of bytes.
  case byteLevel
  /// `replacement` stands for a space; those of the first token are dropped if `isPrefixed`.
  case metaspace(replacement: Unicode.Scalar, isPrefixed: Bool)

  func decode(_ tokens: [String]) -> String {
    switch self {
    case .wordPiece(let decoder): return decoder.decode(tokens)
    case .byteLevel:
      let bytes = tokens.flatMap { ByteAlphabet.bytes(of: $0) ?? Array($0.utf8) }
      return String(decoding: bytes, as: UTF8.self)
    case .metaspace(let replacement, let isPrefixed):
      var text = String.UnicodeScalarView()
      for (index, token) in tokens.enumerated() {
        for scalar in token.unicodeScalars {
          if scalar != replacement {
            text.append(scalar)
          } else if index > 0 || !isPrefixed {
            text.append(" ")
          }
        }
      }
      return String(text)
    }
  }
}

/// Puts tokens together to text again (Hugging Face's WordPiece decoder).
struct WordPieceDecoder: Sendable, Equatable {
  /// A token that begins with it goes on with the word before.
  var prefix: String
  /// Whether spaces before punctuation and English contractions are taken out.
  var cleansUp: Bool

  func decode(_ tokens: [String]) -> String {
    var text: [UInt8] = []
    let prefix = Array(self.prefix.utf8)
    for (index, token) in tokens.enumerated() {
      var piece = Array(token.utf8)
      if index > 0 {
        if piece.starts(with: prefix) {
          piece.removeFirst(prefix.count)
        } else {
          piece.insert(UInt8(ascii: " "), at: 0)
        }
      }
      if cleansUp {
        for (from, to) in Self.cleanups { piece = Self.replace(from, by: to, in: piece) }
      }
      text += piece
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// In the order in which they are applied, to each token alone.
  private static let cleanups: [(from: [UInt8], to: [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

  private static func replace(_ from: [UInt8], by to: [UInt8], in text: [UInt8]) -> [UInt8] {
    guard text.count >= from.count else { return text }
    var result: [UInt8] = []
    var position = 0
    while position < text.count {
      if text[position...].starts(with: from) {
        result += to
        position += from.count
      } else {
        result.append(text[position])
        position += 1
      }
    }
    return result
  }
}
