import Foundation
import Testing

@testable import Shards

/// Readers meet files that are almost right: they read them or say what is wrong, and never crash.
@Suite struct MutationTests {
  static let seeds: [(name: String, text: String)] = [
    ("d.tsv", "ID\ttext\ta\tb\n1\tone \"two\"\t1\t0\n2\tnaïve 🙂\tTRUE\t0.0\n"),
    ("d.csv", "id,text,a\r\n1,\"x, \"\"y\"\"\r\nz\",1\r\n2,plain,false\r\n"),
    (
      "d.jsonl",
      "{\"text\": \"\\u00e9\\ud83d\\ude42\", \"a\": true}\n{\"a\": 0.0, \"text\": \"\"}\n"
    ),
  ]

  @Test("Mutated tables are read or refused", arguments: seeds)
  func mutations(seed: (name: String, text: String)) throws {
    let folder = try TemporaryFolder()
    let path = folder(seed.name)
    var generator = SplitMix(17)
    var (read, refused) = (0, 0)
    for _ in 0..<1000 {
      var bytes = Array(seed.text.utf8)
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        mutate(&bytes, using: &generator)
      }
      try Data(bytes).write(to: URL(fileURLWithPath: path))
      do {
        let reader = try DatasetReader(paths: [path], columns: DatasetColumns())
        let count = try reader.countRows()
        var rows = 0
        try reader.forEachRow { row in
          rows += 1
          #expect(row.labels.count == reader.labelNames.count)
          #expect(row.labels.floats.allSatisfy { $0 == 0 || $0 == 1 })
        }
        #expect(rows == count)
        read += 1
      } catch let error as ShardsError {
        #expect(error.place.hasPrefix(path))
        #expect(!"\(error)".contains("\n") && !"\(error)".contains("\u{1b}"))
        refused += 1
      }
    }
    print("\(seed.name): \(read) mutations read, \(refused) refused")
    #expect(read > 20 && refused > 20)
  }

  private func mutate(_ bytes: inout [UInt8], using generator: inout SplitMix) {
    let special = Array("\t\n\r\",{}[]:\\0u\u{1b}".utf8) + [0xff, 0xc3, 0x00, 0xef]
    let position = Int.random(in: 0..<max(1, bytes.count), using: &generator)
    switch Int.random(in: 0..<4, using: &generator) {
    case 0 where !bytes.isEmpty: bytes.remove(at: position)
    case 1 where !bytes.isEmpty: bytes[position] = special.randomElement(using: &generator) ?? 0
    case 2: bytes.removeSubrange(min(position, bytes.count)...)
    default:
      bytes.insert(special.randomElement(using: &generator) ?? 0, at: min(position, bytes.count))
    }
  }
}
