import Foundation
import Testing

@testable import Shards

@Suite struct TaggedSentenceTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func reader(_ text: String) throws -> TaggedSentenceReader {
    try write(text, to: folder("tags.conll"))
    return try TaggedSentenceReader(paths: [folder("tags.conll")])
  }

  private func failure(_ text: String) -> String {
    let text = message { _ = try reader(text).tags() }
    return String(text.dropFirst(folder.path.utf8.count + 1))
  }

  @Test("Words come first and tags last; -DOCSTART- and blank lines are no words")
  func sentences() throws {
    let reader = try reader(
      "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n-DOCSTART- O\n\n  \n"
        + "Peter\tB-PER\r\n\r\nend\tO")
    for _ in 0..<2 {
      var found: [TaggedSentence] = []
      try reader.forEachSentence { found.append($0) }
      #expect(found.map(\.words) == [["EU", "rejects"], ["Peter"], ["end"]])
      #expect(found.map(\.tags) == [["B-ORG", "O"], ["B-PER"], ["O"]])
      #expect(found[0].places == ["3:13", "4:18"].map { "\(folder("tags.conll")):\($0)" })
    }
    #expect(try reader.tags() == ["O", "B-ORG", "B-PER"])
  }

  @Test("Between tabs a word may have spaces in it")
  func spacesInWords() throws {
    var found: [TaggedSentence] = []
    try reader("New York\tNNP\tB-LOC \r\n \nis big\t O\nit O\n").forEachSentence {
      found.append($0)
    }
    #expect(found.map(\.words) == [["New York"], ["is big", "it"]])
    #expect(found.map(\.tags) == [["B-LOC"], ["O", "O"]])
    #expect(found[1].places == ["3:9", "4:4"].map { "\(folder("tags.conll")):\($0)" })
  }

  @Test("Without O, tags are in the order of their bytes")
  func noOutside() throws {
    #expect(try reader("a NOUN\nb ADJ\n").tags() == ["ADJ", "NOUN"])
  }

  @Test("What is no sentence is named with its place")
  func badFiles() {
    #expect(
      failure("a O\n  lonely\n")
        == "tags.conll:2:3: expected a word and its tag, found `lonely`; "
        + "write both, with a space or a tab between, and a blank line after a sentence")
    #expect(failure("\n\n").hasPrefix("tags.conll: expected tagged sentences, found none"))
    #expect(
      failure("a " + String(repeating: "x", count: 1025))
        .hasPrefix("tags.conll:1:3: expected a tag of at most 1024 bytes, without NUL, found 1025"))
    #expect(failure("a O\u{0}").contains("found a NUL"))
    #expect(
      failure(String(repeating: "a O\n", count: 65_537))
        .hasPrefix("tags.conll:65537: expected a sentence of at most 65536 words, found one more"))
  }
}
