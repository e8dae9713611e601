import Foundation
import Testing

@testable import Shards

@Suite struct ShardWriterTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }

  @Test("The same rows give the same bytes, manifest included")
  func deterministic() throws {
    let example = Example(rows: 3000, hasPairs: true)
    try example.write(to: folder("a"), shards: 2)
    Thread.sleep(forTimeInterval: 1.1)
    try example.write(to: folder("b"), shards: 2)
    for name in ["00000.h5", "00001.h5", "manifest.json", "manifest.sha256"] {
      #expect(try contents(folder("a/\(name)")) == contents(folder("b/\(name)")), "\(name)")
    }
  }

  @Test("A folder with something in it is replaced only where that is asked for, and is shards")
  func overwriting() throws {
    let path = folder("shards")
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: false)
    try Example(rows: 5).write(to: path)
    #expect(
      message { try Example(rows: 6).write(to: path) }
        == "\(path): expected an empty folder, or none, found 3 files in it; "
        + "name another folder, or replace the shards with --overwrite")
    try Example(rows: 6).write(to: path, overwriting: true)
    #expect(try ShardFolder(path: path).rows == 6)
    try write("precious", to: "\(path)/notes.txt")
    #expect(
      message { try Example(rows: 7).write(to: path, overwriting: true) }
        == "\(path): expected nothing but shards to overwrite, found `notes.txt`; "
        + "move it away, or name another folder")
    let other = folder("other")
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
    try write("precious", to: "\(other)/notes.txt")
    #expect(
      message { try Example(rows: 7).write(to: other, overwriting: true) }
        .contains("expected a shard folder to overwrite, found no manifest.json in it"))
    #expect(try names == ["other", "shards"])
  }

  @Test("Shards are at least one and at most one a row", arguments: [0, -1, 6])
  func shardCount(count: Int) throws {
    #expect(
      message { try Example(rows: 5).write(to: folder("s"), shards: count) }
        == "\(folder("s")): expected 1 to 5 shards for 5 rows, found \(count); "
        + "choose another number with --shards")
    #expect(try names == [])
  }

  @Test("Fewer or more rows than announced are errors, and nothing is left behind")
  func rowCount() throws {
    let example = Example(rows: 3)
    func written(_ rows: Int) -> String {
      message {
        let writer = try ShardWriter(
          destination: folder("s"), description: example.description, rows: 3)
        for row in 0..<rows {
          try writer.append(ids: example.ids(row), rowID: "", labels: example.labels(row))
        }
        _ = try writer.finish()
      }
    }
    let remedy = "leave the input unchanged while it is read"
    #expect(written(2) == "\(folder("s")): expected 3 rows, found 2; \(remedy)")
    #expect(written(4) == "\(folder("s")): expected 3 rows, found more; \(remedy)")
    #expect(try names == [])
  }

  @Test("Rows without tokens are rows", arguments: [0, 1 << 20])
  func emptyRows(memoryLimit: Int) throws {
    let description = Example(rows: 2).description
    let writer = try ShardWriter(destination: folder("s"), description: description, rows: 2)
    try writer.append(ids: [], rowID: "a", labels: [0, 1, 0])
    try writer.append(ids: [], rowID: "", labels: [1, 0, 0])
    #expect(try writer.finish().lengthHistogram == [2])
    let reader = try ShardFolder(path: folder("s"), memoryLimit: memoryLimit)
    let batch = try reader.read([1, 0])
    #expect(batch.inputIDs == [])
    #expect(batch.cumulativeLengths == [0, 0, 0])
    #expect(batch.labels.floats == [1, 0, 0, 0, 1, 0])
    #expect(try reader.rowID(0) == "a")
  }

  @Test("An abandoned writer leaves nothing")
  func abandoned() throws {
    let example = Example(rows: 30)
    let writer = try ShardWriter(
      destination: folder("s"), description: example.description, rows: 30, shards: 2)
    for row in 0..<20 {
      try writer.append(ids: example.ids(row), rowID: "", labels: example.labels(row))
    }
    #expect(try names.count == 1)
    writer.abandon()
    #expect(try names == [])
  }

  @Test("An output that cannot be written is named")
  func unwritable() throws {
    try write("a file", to: folder("file"))
    #expect(
      message { try Example(rows: 5).write(to: folder("file/such/folder")) }
        .hasPrefix(folder("file/such/folder")))
    #expect(
      message { try Example(rows: 5).write(to: folder("file")) }
        == "\(folder("file")): expected a folder to write, or nothing, found a file; "
        + "name another folder")
  }

  @Test(
    "h5dump opens a shard and prints what is in it",
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h5dump")))
  func h5dump() throws {
    let example = Example(rows: 50, hasPairs: true)
    try example.write(to: folder("shards"), shards: 1)
    let shard = folder("shards/00000.h5")
    let header = try run("/usr/bin/h5dump", ["-p", "-H", shard])
    for name in [
      "input_ids", "offsets", "token_type_ids", "row_ids", "row_id_offsets", "labels",
    ] {
      #expect(header.contains("DATASET \"\(name)\""))
    }
    for filter in ["SHUFFLE", "COMPRESSION DEFLATE", "FLETCHER32"] {
      #expect(header.components(separatedBy: filter).count == 7, "\(filter)")
    }
    let labels = try run("/usr/bin/h5dump", ["-a", "label_names", shard])
    #expect(labels.contains("anger") && labels.contains("joy"))
    let offsets = try run("/usr/bin/h5dump", ["-d", "/offsets", "-y", shard])
    let values = (0...50).map { end in
      String((0..<end).reduce(0) { $0 + example.ids($1).count })
    }
    let printed = offsets.split { !$0.isNumber }.map(String.init)
    #expect(printed.suffix(51) == values[...])
  }

  @Test("Reading and writing 300,000 rows takes memory for chunks, not for rows")
  func memory() throws {
    let rows = 300_000
    let path = folder("large.tsv")
    try write("", to: path)
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.write(contentsOf: Data("ID\ttext\ta\tb\n".utf8))
    for start in stride(from: 0, to: rows, by: 10_000) {
      let block = (start..<start + 10_000).map {
        "row-\($0)\tthe text of row \($0), long enough to count\t\($0 & 1)\t0\n"
      }
      try file.write(contentsOf: Data(block.joined().utf8))
    }
    try file.close()

    let before = try residentBytes()
    var most = before
    let reader = try DatasetReader(paths: [path], columns: DatasetColumns())
    let description = ShardDescription(
      labelNames: reader.labelNames, maxLength: 128, vocabularySHA256: Example.vocabulary,
      hasPairs: false)
    let writer = try ShardWriter(
      destination: folder("shards"), description: description, rows: try reader.countRows(),
      shards: 1)
    var row = 0
    try reader.forEachRow {
      let ids = (0..<Int32(60 + row % 60)).map { $0 &* Int32(row) & 0x7fff }
      try writer.append(ids: ids, rowID: $0.id, labels: $0.labels)
      row += 1
      if row % 10_000 == 0 { most = max(most, try residentBytes()) }
    }
    let manifest = try writer.finish()
    most = max(most, try residentBytes())
    let decoded = manifest.tokens * 4 + rows * 24
    print("wrote \(decoded >> 20) MiB of rows with \((most - before) >> 10) KiB of memory")
    #expect(manifest.rows == rows)
    // Everything else in this process included, so that the bound is wide; rows take 110 MiB.
    #expect(decoded > 100 << 20)
    #expect(most - before < 40 << 20)
  }

  private func residentBytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    let pages = Int(status.split(separator: " ")[1]) ?? 0
    return pages * Int(getpagesize())
  }
}

/// Runs a program and returns what it prints; throws when it fails.
func run(_ program: String, _ arguments: [String]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let output = Pipe()
  process.standardOutput = output
  try process.run()
  let data = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  try #require(process.terminationStatus == 0, "\(program) \(arguments)")
  return String(decoding: data, as: UTF8.self)
}
