import Manifests

/// Plain text for pre-training: a sentence a line, a blank line between documents.
package final class Documents {
  private let files: [InputFile]

  /// What errors about all files name.
  package var names: String { files.map(\.name).joined(separator: ", ") }

  /// - Parameter paths: the files, in order; `-` is standard input.
  package init(paths: [String]) throws { files = try paths.map { try InputFile(path: $0) } }

  /// Calls `sentence` with each line that is not blank, and `end` after the last one of a document, which
  /// ends with a blank line or its file. Nothing but a line is held in memory.
  package func forEach(sentence: (String) throws -> Void, end: () throws -> Void) throws {
    for file in files {
      try file.rewind()
      var line: [UInt8] = []
      var isOpen = false
      while try file.readLine(appendingTo: &line) {
        let text = String(decoding: line, as: UTF8.self)
        line.removeAll(keepingCapacity: true)
        if text.allSatisfy(\.isWhitespace) {
          if isOpen { try end() }
          isOpen = false
        } else {
          try sentence(text)
          isOpen = true
        }
      }
      if isOpen { try end() }
    }
  }
}
