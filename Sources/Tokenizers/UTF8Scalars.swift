/// Reading and writing Unicode scalars in UTF-8 that is already known to be valid.

/// The scalar that starts at `position`, which is moved past it. `text` is valid UTF-8 and
/// `position` is at the first byte of a scalar.
@inline(__always)
func nextScalar(in text: Span<UInt8>, at position: inout Int) -> Unicode.Scalar {
  let lead = UInt32(text[position])
  if lead < 0x80 {
    position += 1
    return Unicode.Scalar(UInt8(truncatingIfNeeded: lead))
  }
  let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
  var value = lead & (0x7F >> UInt32(length))
  for offset in 1..<length {
    value = value << 6 | UInt32(text[position + offset]) & 0x3F
  }
  position += length
  return Unicode.Scalar(value) ?? "\u{FFFD}"
}

/// The scalar that ends just before `position`; `position` is greater than 0.
func scalarBefore(_ position: Int, in text: Span<UInt8>) -> (scalar: Unicode.Scalar, start: Int) {
  var start = position - 1
  while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
  var cursor = start
  return (nextScalar(in: text, at: &cursor), start)
}

extension [UInt8] {
  mutating func append(utf8 scalar: Unicode.Scalar) {
    UTF8.encode(scalar).map { append(contentsOf: $0) }
  }
}

extension String {
  /// Byte equality. `==` on strings is canonical equivalence, which takes different vocabulary
  /// entries (a CJK compatibility ideograph and its unified one, say) for the same.
  func hasSameBytes(as other: String) -> Bool {
    utf8.elementsEqual(other.utf8)
  }
}
