import Foundation
import Testing

@testable import Shards

/// Against h5py: set LOCKSTEP_PYTHON to a Python that has it.
private let python = ProcessInfo.processInfo.environment["LOCKSTEP_PYTHON"]
private let scripts = URL(fileURLWithPath: fixtures).deletingLastPathComponent()
  .appendingPathComponent("Interop").path

@Suite(.enabled(if: python != nil, "LOCKSTEP_PYTHON names no Python with h5py"))
struct InteropTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private struct Printed: Decodable, Equatable {
    struct Row: Decodable, Equatable {
      let id: String
      let ids: [Int32]
      let types: [UInt8]?
      let labels: [Float]
    }
    let rows: [Row]
    let labelNames: [String]
  }

  @Test("h5py reads every row of our shards", arguments: [false, true])
  func readsOurs(hasPairs: Bool) throws {
    let example = Example(rows: 1001, hasPairs: hasPairs)
    try example.write(to: folder("shards"), shards: 3)
    let text = try run(try #require(python), ["\(scripts)/shards.py", folder("shards")])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let printed = try decoder.decode(Printed.self, from: Data(text.utf8))
    #expect(printed.labelNames == example.labelNames)
    #expect(
      printed.rows
        == (0..<1001).map {
          Printed.Row(
            id: example.rowID($0), ids: example.ids($0), types: example.types($0),
            labels: example.labels($0))
        })
  }

  @Test("We read padded shards that h5py writes", arguments: [256 << 20, 0])
  func readsTheirs(memoryLimit: Int) throws {
    _ = try run(try #require(python), ["\(scripts)/padded_shards.py", folder.path])
    let reader = try ShardFolder(path: folder.path, memoryLimit: memoryLimit)
    #expect(reader.rows == 1000)
    #expect(reader.labelNames == ["odd", "third"])
    for row in [0, 16, 17, 599, 600, 999] + Array(stride(from: 999, to: 0, by: -37)) {
      // The widest rows have 16 tokens: r % 17 is at most 16.
      let batch = try reader.read([row])
      #expect(batch.inputIDs == (0..<Int32(row % 17)).map { Int32(row) + $0 })
      #expect(batch.labels.floats == [Float(row % 2), row % 3 == 0 ? 1 : 0])
    }
  }

  @Test("Padded shards of h5py may have classes, values or tags, by their attribute task")
  func readsOtherTasks() throws {
    _ = try run(try #require(python), ["\(scripts)/padded_shards.py", folder.path])
    func read(_ task: ShardTask) throws -> (names: [String], batch: RowBatch) {
      let shards = try ShardFolder(path: folder(task.rawValue))
      #expect(shards.task == task)
      return (shards.labelNames, try shards.read([2, 0, 1]))
    }
    let classes = try read(.multiClass)
    #expect(classes.names == ["LABEL_0", "LABEL_1", "LABEL_2"])
    #expect(classes.batch.labels == RowLabels(.multiClass, [Int32(1), 2, 0]))
    #expect(classes.batch.inputIDs == [9, 10, 5, 6, 7, 8])
    let values = try read(.regression)
    #expect(values.batch.labels == RowLabels(.regression, [Float(3), 0.5, -1.25]))
    let tags = try read(.tokenClassification)
    #expect(tags.names == ["LABEL_0", "LABEL_1"])
    #expect(tags.batch.labels == RowLabels(.tokenClassification, [Int32(0), 1, 0, 1, 1, -100]))
  }
}
