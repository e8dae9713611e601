import Manifests

/// A sentence whose words are tagged.
package struct TaggedSentence: Sendable, Equatable {
  package internal(set) var words: [String] = []
  /// As many as words.
  package internal(set) var tags: [String] = []
  /// `path:line:column` of each tag.
  package internal(set) var places: [String] = []
}

/// Reads sentences in CoNLL's form: a word a line with its tag in the last of several columns between
/// tabs, or, in a line without a tab, spaces; a blank line between sentences, `-DOCSTART-` lines passed over.
package final class TaggedSentenceReader {
  private let files: [InputFile]

  /// More words in a sentence are a file without blank lines: sentences are held in memory.
  static let mostWords = 1 << 16

  /// - Parameter paths: the files, in order; `-` is standard input.
  package init(paths: [String]) throws { files = try paths.map { try InputFile(path: $0) } }

  /// Calls `body` with each sentence, in order; may be called again.
  ///
  /// - Throws: `ShardsError` for a line of one column, a tag that cannot be a label and a sentence without
  ///   end, with their places, and for files without a sentence.
  package func forEachSentence(_ body: (TaggedSentence) throws -> Void) throws {
    var count = 0
    for file in files {
      try file.rewind()
      var line: [UInt8] = []
      var sentence = TaggedSentence()
      func end() throws {
        guard !sentence.words.isEmpty else { return }
        try body(sentence)
        count += 1
        sentence = TaggedSentence()
      }
      while try file.readLine(appendingTo: &line) {
        if try !read(line, of: file, into: &sentence) { try end() }
        line.removeAll(keepingCapacity: true)
      }
      try end()
    }
    guard count > 0 else {
      throw ShardsError(
        place: files.map(\.name).joined(separator: ", "), expected: "tagged sentences",
        found: "none", remedy: "write a word and its tag a line")
    }
  }

  /// Takes a line's word and tag; false for a blank line or one between documents, which end a sentence.
  private func read(
    _ line: [UInt8], of file: InputFile, into sentence: inout TaggedSentence
  ) throws -> Bool {
    // Between tabs a word may have spaces in it.
    let tab = UInt8(ascii: "\t")
    let separator = line.contains(tab) ? tab : UInt8(ascii: " ")
    let fields = line.split { $0 == separator || $0 == UInt8(ascii: "\r") }
      .compactMap { trimmed($0) }
    guard let first = fields.first, let tag = fields.last else { return false }
    if first.elementsEqual("-DOCSTART-".utf8) { return false }
    let place = "\(file.name):\(file.line)"
    guard fields.count > 1 else {
      throw ShardsError(
        place: "\(place):\(first.startIndex + 1)", expected: "a word and its tag",
        found: quoted(String(decoding: first.prefix(JSONReader.nameByteLimit), as: UTF8.self)),
        remedy: "write both, with a space or a tab between, and a blank line after a sentence")
    }
    guard tag.count <= JSONReader.nameByteLimit, !tag.contains(0) else {
      throw ShardsError(
        place: "\(place):\(tag.startIndex + 1)",
        expected: "a tag of at most \(JSONReader.nameByteLimit) bytes, without NUL",
        found: tag.contains(0) ? "a NUL" : "\(tag.count) bytes",
        remedy: "write the tag in the last column")
    }
    guard sentence.words.count < Self.mostWords else {
      throw ShardsError(
        place: place, expected: "a sentence of at most \(Self.mostWords) words",
        found: "one more", remedy: "put a blank line after each sentence")
    }
    sentence.words.append(String(decoding: first, as: UTF8.self))
    sentence.tags.append(String(decoding: tag, as: UTF8.self))
    sentence.places.append("\(place):\(tag.startIndex + 1)")
    return true
  }

  /// A field without the spaces around it; nil where nothing is left.
  private func trimmed(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let first = field.firstIndex(where: { $0 != UInt8(ascii: " ") }),
      let last = field.lastIndex(where: { $0 != UInt8(ascii: " ") })
    else { return nil }
    return field[first...last]
  }

  /// The tags that occur, `O` first, the others in the order of their bytes.
  ///
  /// - Throws: What reading throws, and for more tags than a data set may have.
  package func tags() throws -> [String] {
    var tags: Set<String> = []
    try forEachSentence { sentence in
      tags.formUnion(sentence.tags)
      guard tags.count <= ShardFormat.mostLabels else {
        throw ShardsError(
          place: sentence.places[0], expected: "at most \(ShardFormat.mostLabels) tags",
          found: "more up to this sentence", remedy: "check that the last column has the tags")
      }
    }
    let others = tags.filter { $0 != "O" }
    return (tags.contains("O") ? ["O"] : [])
      + others.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
