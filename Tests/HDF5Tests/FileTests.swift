import Foundation
import Testing

@testable import HDF5

/// The error that `body` throws, in words; empty when it throws none.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}

@Suite struct FileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func write<T: Element>(
    _ values: [T], chunkRows: Int, pieces: Int, to path: String
  ) throws {
    let file = try File(creating: path)
    var dataset = try Dataset(creating: "data", of: T.self, chunkRows: chunkRows, in: file)
    var start = 0
    while start < values.count {
      try dataset.append(Array(values[start..<min(start + pieces, values.count)]))
      start += pieces
    }
    try dataset.close()
    try file.close()
  }

  private func readBack<T: Element>(_ rows: Range<Int>?, from path: String) throws -> [T] {
    let file = try File(reading: path)
    let dataset = try Dataset("data", in: file)
    return try dataset.read(rows ?? 0..<dataset.shape[0])
  }

  @Test("Values come back as they were written", arguments: [0, 1, 7, 8, 9, 1000])
  func roundTrip(count: Int) throws {
    let path = folder("values.h5")
    let integers = (0..<count).map { Int32(truncatingIfNeeded: $0 &* 2_654_435_761) }
    try write(integers, chunkRows: 8, pieces: 3, to: path)
    #expect(try readBack(nil, from: path) == integers)
    let floats = (0..<count).map { Float($0) * 0.1 - 3 }
    try write(floats, chunkRows: 5, pieces: 8, to: folder("floats.h5"))
    #expect(try readBack(nil, from: folder("floats.h5")) == floats)
    let longs = (0..<count).map { Int64($0) << 33 }
    try write(longs, chunkRows: 1, pieces: 1000, to: folder("longs.h5"))
    #expect(try readBack(nil, from: folder("longs.h5")) == longs)
    let bytes = (0..<count).map { UInt8($0 & 255) }
    try write(bytes, chunkRows: 64, pieces: 1, to: folder("bytes.h5"))
    #expect(try readBack(nil, from: folder("bytes.h5")) == bytes)
  }

  @Test("A range of rows is read without the others")
  func hyperslab() throws {
    let path = folder("values.h5")
    try write((0..<1000).map { Int32($0) }, chunkRows: 64, pieces: 100, to: path)
    #expect(try readBack(63..<65, from: path) == [Int32(63), 64])
    #expect(try readBack(999..<1000, from: path) == [Int32(999)])
    #expect(try readBack(500..<500, from: path) == [Int32]())
  }

  @Test("Rows of several values keep their shape")
  func matrix() throws {
    let file = try File(creating: folder("matrix.h5"))
    var dataset = try Dataset(
      creating: "data", of: Float.self, rowShape: [3], chunkRows: 2, in: file)
    try dataset.append([1, 2, 3, 4, 5, 6] as [Float])
    try dataset.append([7, 8, 9] as [Float])
    #expect(dataset.shape == [3, 3])
    #expect(try dataset.read(1..<3) == [4, 5, 6, 7, 8, 9] as [Float])
  }

  @Test("Attributes come back; an absent one is nil")
  func attributes() throws {
    let path = folder("attributes.h5")
    let file = try File(creating: path)
    try file.writeAttribute("number", Int64.min)
    try file.writeAttribute("text", "naïve 🙂")
    try file.writeAttribute("empty", "")
    try file.writeAttribute("texts", ["anger", "愛", "x"])
    try file.writeAttribute("none", [String]())
    try file.close()

    let reading = try File(reading: path)
    #expect(try reading.integerAttribute("number") == .min)
    #expect(try reading.stringAttribute("text") == "naïve 🙂")
    #expect(try reading.stringAttribute("empty") == "")
    #expect(try reading.stringsAttribute("texts") == ["anger", "愛", "x"])
    #expect(try reading.stringsAttribute("none") == [])
    #expect(try reading.stringAttribute("absent") == nil)
    #expect(
      message { _ = try reading.integerAttribute("text") }
        == "\(path) attribute text: expected a whole number, found 1 of text of 11 bytes; "
        + "write the file again")
    #expect(
      message { _ = try reading.stringAttribute("number") }.contains("text of fixed length"))
  }

  @Test("The same values give the same bytes")
  func deterministic() throws {
    for name in ["a.h5", "b.h5"] {
      let file = try File(creating: folder(name))
      var dataset = try Dataset(creating: "data", of: Int32.self, chunkRows: 100, in: file)
      for start in stride(from: Int32(0), to: 5000, by: 250) {
        try dataset.append((start..<start + 250).map { $0 * $0 })
      }
      try dataset.close()
      try file.writeAttribute("rows", 5000)
      try file.close()
      if name == "a.h5" { Thread.sleep(forTimeInterval: 1.1) }
    }
    let a = try Data(contentsOf: URL(fileURLWithPath: folder("a.h5")))
    let b = try Data(contentsOf: URL(fileURLWithPath: folder("b.h5")))
    #expect(a == b)
    #expect(a.count > 4000)
  }

  @Test("A file cannot close under an open dataset, and says so")
  func closesLast() throws {
    let file = try File(creating: folder("open.h5"))
    let dataset = try Dataset(creating: "data", of: Int32.self, chunkRows: 4, in: file)
    let path = file.path
    var found = ""
    do { try file.close() } catch { found = "\(error)" }
    #expect(found.hasPrefix("\(path): expected a file that takes its last bytes"))
    try dataset.close()
  }

  @Test("A file can be read by many threads at once")
  func threads() async throws {
    let path = folder("threads.h5")
    try write((0..<5000).map { Int32($0) }, chunkRows: 64, pieces: 500, to: path)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          let file = try File(reading: path)
          let dataset = try Dataset("data", in: file)
          for step in 0..<50 {
            let row = (task * 611 + step * 97) % 4990
            let values: [Int32] = try dataset.read(row..<row + 10)
            guard values == (row..<row + 10).map({ Int32($0) }) else { return false }
          }
          return true
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
  }

  @Test("A path that cannot be opened is named with the system's reason")
  func unreadable() throws {
    #expect(
      message { _ = try File(reading: folder("missing.h5")) }
        == "\(folder("missing.h5")): expected a readable HDF5 file, "
        + "found No such file or directory; check the path and its permissions")
    let text = folder("text.h5")
    try Data("ID\tTweet\n".utf8).write(to: URL(fileURLWithPath: text))
    #expect(
      message { _ = try File(reading: text) }
        == "\(text): expected an HDF5 file, found file signature not found; "
        + "check that the file is whole and is HDF5")
    try Data().write(to: URL(fileURLWithPath: folder("empty.h5")))
    #expect(message { _ = try File(reading: folder("empty.h5")) }.contains("an HDF5 file"))
    #expect(
      message { _ = try File(creating: folder("no/folder.h5")) }
        .contains("expected a new file, found No such file or directory; check the folder"))
    #expect(message { _ = try File(creating: text) }.contains("found File exists; check"))
  }

  @Test("A truncated file and a changed byte are errors, not values")
  func damaged() throws {
    let path = folder("whole.h5")
    try write(
      (0..<4000).map { Int32(truncatingIfNeeded: $0 &* 2_654_435_761) }, chunkRows: 500,
      pieces: 500, to: path)
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    let cut = folder("cut.h5")
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: cut))
    #expect(message { let _: [Int32] = try readBack(nil, from: cut) }.contains("truncated"))

    let flipped = folder("flipped.h5")
    var bytes = whole
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(fileURLWithPath: flipped))
    #expect(
      message { let _: [Int32] = try readBack(nil, from: flipped) }
        .hasPrefix("\(flipped):/data: expected readable data, found"))
  }
}
