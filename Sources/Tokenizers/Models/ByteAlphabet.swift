/// GPT-2's alphabet of bytes: in files every byte is a visible character, a printable one itself and
/// the others U+0100 and up (a space is `Ġ`).
enum ByteAlphabet {
  /// What a space looks like.
  static let space: Unicode.Scalar = "\u{120}"

  /// By byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "?"
      }
    }
  }()

  private static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
    uniqueKeysWithValues: scalars.enumerated().map { ($0.element, UInt8($0.offset)) })

  /// The bytes that a token stands for; nil if it has another character.
  static func bytes(of token: String) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard let byte = bytes[scalar] else { return nil }
      result.append(byte)
    }
    return result
  }
}
