/// SentencePiece's precompiled map of characters (`precompiled_charsmap`): a double-array trie (Darts)
/// from sequences of characters to what replaces them.
///
/// A blob is the trie's size in bytes (4 bytes, little-endian), the trie's units (4 bytes each), and
/// the replacements, each ended by a NUL; a unit's value is where its replacement begins. The way it
/// is applied is that of Hugging Face `tokenizers` (normalizers/precompiled.rs).
struct CharacterMap: Sendable, Equatable {
  /// As it is in the file.
  let blob: [UInt8]
  private let units: [UInt32]
  /// Valid UTF-8.
  private let replacements: [UInt8]
  /// By ASCII character; nil where it stays.
  private let asciiReplacements: [[UInt8]?]

  /// nil if the blob has another form.
  init?(blob: [UInt8]) {
    guard blob.count >= 4 else { return nil }
    func word(at offset: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(blob[offset + $1]) << (8 * UInt32($1)) }
    }
    let size = Int(word(at: 0))
    guard size > 0, size % 4 == 0, size <= blob.count - 4 else { return nil }
    self.blob = blob
    let units = (0..<size / 4).map { word(at: 4 + 4 * $0) }
    let replacements = Array(blob[(4 + size)...])
    guard String(validating: replacements, as: UTF8.self) != nil else { return nil }
    self.units = units
    self.replacements = replacements
    asciiReplacements = (0..<0x80).map { byte in
      Self.match([UInt8(byte)].span, units).flatMap { Self.replacement(at: $0, replacements) }
        .map { Array(replacements[$0]) }
    }
  }

  /// Appends the mapped text to `output`.
  func normalize<Output: NormalizedText>(_ text: Span<UInt8>, into output: inout Output) {
    if Output.keepsSources {
      var changes = ChangeList()
      forEachPart(of: text) { changes.append($0, replaced: $1) }
      changes.apply(to: text, into: &output)
      return
    }
    forEachPart(of: text) { part, replacement in
      for byte in replacement ?? part { output.append(byte, source: 0..<0) }
    }
  }

  /// Calls `body` with the parts of `text`, one after the other, and what replaces each, nil where it
  /// stays. Parts are clusters of characters or, where the map has none for them, characters.
  private func forEachPart(
    of text: Span<UInt8>, _ body: (_ part: [UInt8], _ replacement: [UInt8]?) -> Void
  ) {
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte < 0x80, isAlone(at: position, in: text) {
        body([byte], asciiReplacements[Int(byte)])
        position += 1
        continue
      }
      // Up to an ASCII character behind which a cluster ends for certain.
      let start = position
      repeat {
        _ = nextScalar(in: text, at: &position)
      } while position < text.count
        && !(text[position - 1] < 0x80 && isAlone(at: position - 1, in: text))
      var bytes: [UInt8] = []
      bytes.append(contentsOf: text, in: start..<position)
      for cluster in String(decoding: bytes, as: UTF8.self) { mapCluster(cluster, body) }
    }
  }

  /// Whether a cluster ends behind the ASCII character: the next one is ASCII too, but not the line
  /// feed of a CR LF.
  @inline(__always)
  private func isAlone(at position: Int, in text: Span<UInt8>) -> Bool {
    guard position + 1 < text.count else { return true }
    let next = text[position + 1]
    return next < 0x80 && !(next == 0x0A && text[position] == 0x0D)
  }

  private func mapCluster(
    _ cluster: Character, _ body: (_ part: [UInt8], _ replacement: [UInt8]?) -> Void
  ) {
    let bytes = Array(cluster.utf8)
    if bytes.count < 6, let replacement = replacement(of: bytes) {
      body(bytes, replacement)
      return
    }
    for scalar in cluster.unicodeScalars {
      let part = Array(String(scalar).utf8)
      body(part, replacement(of: part))
    }
  }

  private func replacement(of part: [UInt8]) -> [UInt8]? {
    guard let start = Self.match(part.span, units),
      let range = Self.replacement(at: start, replacements)
    else { return nil }
    return Array(replacements[range])
  }

  /// The value of the shortest entry that `text` begins with. Units that lead out of the array, which
  /// no honest map has, lead nowhere.
  private static func match(_ text: Span<UInt8>, _ units: [UInt32]) -> Int? {
    var node = offset(of: units[0])
    for position in text.indices {
      let byte = text[position]
      if byte == 0 { return nil }
      node ^= Int(byte)
      guard node < units.count else { return nil }
      let unit = units[node]
      guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
      node ^= offset(of: unit)
      guard node < units.count else { return nil }
      if unit >> 8 & 1 == 1 { return Int(units[node] & 0x7FFF_FFFF) }
    }
    return nil
  }

  private static func offset(of unit: UInt32) -> Int {
    Int(unit >> 10) << Int((unit & 0x200) >> 6)
  }

  /// From `start` to the next NUL, or the end; nil if `start` is no place where a character begins.
  private static func replacement(at start: Int, _ replacements: [UInt8]) -> Range<Int>? {
    guard start <= replacements.count else { return nil }
    if start < replacements.count, replacements[start] & 0xC0 == 0x80 { return nil }
    return start..<(replacements[start...].firstIndex(of: 0) ?? replacements.count)
  }
}
