import Manifests

/// Plain text for pre-training: a sentence a line, a blank line between documents.
package struct Documents {
  /// Sentences by document.
  package let documents: [[String]]

  /// - Parameter paths: the files, in order; `-` is standard input. A file ends a document.
  /// - Throws: `ShardsError` for fewer than two documents: the next sentence of another is needed.
  package init(paths: [String]) throws {
    var documents: [[String]] = []
    for path in paths {
      let file = try InputFile(path: path)
      var line: [UInt8] = []
      var document: [String] = []
      while try file.readLine(appendingTo: &line) {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        if text.allSatisfy(\.isWhitespace) {
          if !document.isEmpty { documents.append(document) }
          document = []
        } else {
          document.append(text)
        }
      }
      if !document.isEmpty { documents.append(document) }
    }
    guard documents.count > 1 else {
      throw ShardsError(
        place: paths.joined(separator: ", "), expected: "at least two documents",
        found: "\(documents.count)", remedy: "put a blank line between documents")
    }
    self.documents = documents
  }
}
