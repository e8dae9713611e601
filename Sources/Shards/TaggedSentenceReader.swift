import Manifests

/// A sentence whose words are tagged.
package struct TaggedSentence: Sendable, Equatable {
  /// `path:line` of its first word.
  package internal(set) var place: String
  package internal(set) var words: [String]
  /// As many as words.
  package internal(set) var tags: [String]
}

/// Reads sentences in CoNLL's form: a word a line with its tag in the last of several columns between
/// spaces or tabs, a blank line between sentences, `-DOCSTART-` lines passed over.
package final class TaggedSentenceReader {
  private let files: [InputFile]

  /// - Parameter paths: the files, in order; `-` is standard input.
  package init(paths: [String]) throws { files = try paths.map { try InputFile(path: $0) } }

  /// Calls `body` with each sentence, in order; may be called again.
  ///
  /// - Throws: `ShardsError` for a line of one column, with its place, and for files without a sentence.
  package func forEachSentence(_ body: (TaggedSentence) throws -> Void) throws {
    var count = 0
    for file in files {
      try file.rewind()
      var line: [UInt8] = []
      var sentence = TaggedSentence(place: "", words: [], tags: [])
      func end() throws {
        guard !sentence.words.isEmpty else { return }
        try body(sentence)
        count += 1
        sentence = TaggedSentence(place: "", words: [], tags: [])
      }
      while try file.readLine(appendingTo: &line) {
        defer { line.removeAll(keepingCapacity: true) }
        let fields = line.split { $0 == UInt8(ascii: " ") || $0 == 9 || $0 == 13 }
        guard let first = fields.first, let last = fields.last else {
          try end()
          continue
        }
        let word = String(decoding: first, as: UTF8.self)
        if word == "-DOCSTART-" { continue }
        guard fields.count > 1 else {
          throw ShardsError(
            place: "\(file.name):\(file.line)", expected: "a word and its tag", found: quoted(word),
            remedy: "write both, with a space or a tab between, and a blank line after a sentence")
        }
        if sentence.words.isEmpty { sentence.place = "\(file.name):\(file.line)" }
        sentence.words.append(word)
        sentence.tags.append(String(decoding: last, as: UTF8.self))
      }
      try end()
    }
    guard count > 0 else {
      throw ShardsError(
        place: files.map(\.name).joined(separator: ", "), expected: "tagged sentences",
        found: "none", remedy: "write a word and its tag a line")
    }
  }
}
