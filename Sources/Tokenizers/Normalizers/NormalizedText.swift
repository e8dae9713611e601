/// What a normaliser writes: bytes alone, or bytes with what each was made from.
protocol NormalizedText {
  init()
  static var keepsSources: Bool { get }
  /// UTF-8.
  var bytes: [UInt8] { get }
  /// `source` is what `byte` was made from, in the text that is being normalised: all that became
  /// the scalar which `byte` belongs to.
  mutating func append(_ byte: UInt8, source: Range<Int>)
  /// Appends whole scalars of the text that is being normalised.
  mutating func append(contentsOf text: Span<UInt8>, in range: Range<Int>)
  /// Sources in `text` become what of the text before it they were made from.
  mutating func resolveSources(through text: Self)
  mutating func removeAll()
}

extension NormalizedText {
  mutating func append(_ scalar: Unicode.Scalar, source: Range<Int>) {
    UTF8.encode(scalar).map { for byte in $0 { append(byte, source: source) } }
  }
}

extension [UInt8]: NormalizedText {
  static var keepsSources: Bool { false }

  var bytes: [UInt8] { self }

  @inline(__always)
  mutating func append(_ byte: UInt8, source: Range<Int>) { append(byte) }

  mutating func append(contentsOf text: Span<UInt8>, in range: Range<Int>) {
    reserveCapacity(count + range.count)
    for position in range { append(text[position]) }
  }

  mutating func resolveSources(through text: [UInt8]) {}

  mutating func removeAll() { removeAll(keepingCapacity: true) }
}

/// Bytes with what each was made from.
struct AlignedText: NormalizedText {
  static let keepsSources = true

  private(set) var bytes: [UInt8] = []
  /// [bytes]
  private var sources: [Range<Int>] = []

  mutating func append(_ byte: UInt8, source: Range<Int>) {
    bytes.append(byte)
    sources.append(source)
  }

  mutating func append(contentsOf text: Span<UInt8>, in range: Range<Int>) {
    var position = range.lowerBound
    while position < range.upperBound {
      let start = position
      let scalar = nextScalar(in: text, at: &position)
      append(scalar, source: start..<position)
    }
  }

  mutating func resolveSources(through text: AlignedText) {
    sources = sources.map(text.source(of:))
  }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
  }

  /// From where the first byte of `range` comes from to where the last one does.
  func source(of range: Range<Int>) -> Range<Int> {
    guard !range.isEmpty else { return 0..<0 }
    let start = sources[range.lowerBound].lowerBound
    return start..<max(start, sources[range.upperBound - 1].upperBound)
  }
}
