import Foundation
import Manifests
import Testing

@testable import Shards

@Suite struct ShardFolderTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test(
    "Rows come back as they were written, in any order, decoded or from the file",
    arguments: [(1, 1), (2, 2), (7, 3), (1000, 1), (999, 4), (5000, 7)], [false, true])
  func roundTrip(sizes: (rows: Int, shards: Int), hasPairs: Bool) throws {
    let example = Example(rows: sizes.rows, hasPairs: hasPairs)
    let path = folder("shards")
    let manifest = try example.write(to: path, shards: sizes.shards)
    #expect(manifest.files.count == sizes.shards)
    var order = Array(0..<sizes.rows)
    var generator = SplitMix(9)
    order.shuffle(using: &generator)
    for memoryLimit in [256 << 20, 0, 40_000] {
      let reader = try ShardFolder(path: path, memoryLimit: memoryLimit)
      #expect(reader.rows == sizes.rows)
      #expect(reader.labelNames == example.labelNames)
      #expect(reader.maxLength == 64)
      #expect(reader.vocabularySHA256 == Example.vocabulary)
      #expect(reader.hasPairs == hasPairs)
      #expect(try reader.lengths(of: order) == order.map { example.ids($0).count })
      #expect(reader.tokens == order.reduce(0) { $0 + example.ids($1).count })
      for start in stride(from: 0, to: min(order.count, 320), by: 8) {
        let rows = Array(order[start..<min(start + 8, order.count)])
        #expect(try reader.read(rows) == example.batch(rows))
      }
      #expect(try reader.read([]) == example.batch([]))
      #expect(try reader.read([0, 0]) == example.batch([0, 0]))
      #expect(try reader.read([sizes.rows - 1]) == example.batch([sizes.rows - 1]))
      for row in order.prefix(20) { #expect(try reader.rowID(row) == example.rowID(row)) }
    }
  }

  @Test("More shards than may be open at once are read all the same")
  func manyShards() throws {
    let example = Example(rows: 300)
    try example.write(to: folder("shards"), shards: 100)
    let reader = try ShardFolder(path: folder("shards"), memoryLimit: 0)
    for step in 0..<400 {
      let rows = [step * 7 % 300, step * 101 % 300]
      #expect(try reader.read(rows) == example.batch(rows))
    }
  }

  @Test("The manifest counts rows, tokens and lengths, over shards of equal size")
  func manifest() throws {
    let example = Example(rows: 103)
    let manifest = try example.write(to: folder("shards"), shards: 4)
    #expect(manifest.files.map(\.name) == ["00000.h5", "00001.h5", "00002.h5", "00003.h5"])
    #expect(manifest.files.map(\.rows) == [26, 26, 26, 25])
    let lengths = (0..<103).map { example.ids($0).count }
    #expect(manifest.tokens == lengths.reduce(0, +))
    #expect(
      manifest.lengthHistogram
        == (0...(lengths.max() ?? 0)).map { n in lengths.count { $0 == n } })
    let sealed = try SealedFolder(path: folder("shards"))
    #expect(try ShardManifest(of: sealed) == manifest)
    #expect(try sealed.unlistedEntries() == [])
    let reader = try ShardFolder(path: folder("shards"))
    #expect(reader.manifestSHA256 == sha256(of: sealed.manifestBytes))
  }

  @Test("A flipped bit in a shard is detected, in whichever byte")
  func flippedBit() throws {
    let path = folder("shards")
    try Example(rows: 200).write(to: path, shards: 2)
    let reader = try ShardFolder(path: path)
    for index in reader.shardPaths.indices { try reader.verifyShard(index) }
    let whole = try contents(reader.shardPaths[1])
    for position in stride(from: 0, to: whole.count, by: whole.count / 40) {
      var bytes = whole
      bytes[position] ^= 1 << UInt8(position % 8)
      try Data(bytes).write(to: URL(fileURLWithPath: reader.shardPaths[1]))
      let damaged = try ShardFolder(path: path)
      try damaged.verifyShard(0)
      let found = message { try damaged.verifyShard(1) }
      #expect(found.hasPrefix("\(reader.shardPaths[1]): expected sha256"), "\(position): \(found)")
    }
  }

  @Test("A shard of another size, a missing one and a link are errors at opening")
  func wrongFiles() throws {
    let path = folder("shards")
    let shard = "\(path)/00001.h5"
    try Example(rows: 20).write(to: path, shards: 2)
    let whole = try contents(shard)
    try Data(whole + [0]).write(to: URL(fileURLWithPath: shard))
    #expect(
      message { _ = try ShardFolder(path: path) }
        == "\(shard): expected \(whole.count) bytes, as manifest.json has, "
        + "found \(whole.count + 1); use another copy of the folder, or write it again")
    try FileManager.default.removeItem(atPath: shard)
    #expect(
      message { _ = try ShardFolder(path: path) }
        == "\(shard): expected a shard of \(whole.count) bytes, "
        + "found No such file or directory; check the path")
    try Data(whole).write(to: URL(fileURLWithPath: folder("elsewhere.h5")))
    try FileManager.default.createSymbolicLink(
      atPath: shard, withDestinationPath: folder("elsewhere.h5"))
    #expect(message { _ = try ShardFolder(path: path) }.contains("found a link or a folder"))
  }

  @Test("A changed manifest, and one of something else, are errors")
  func wrongManifest() throws {
    let path = folder("shards")
    try Example(rows: 20).write(to: path)
    let manifest = "\(path)/manifest.json"
    let text = String(decoding: try contents(manifest), as: UTF8.self)
    try write(text.replacingOccurrences(of: "\"rows\" : 20", with: "\"rows\" : 21"), to: manifest)
    #expect(message { _ = try ShardFolder(path: path) }.contains("manifest.json: expected sha256"))

    func resealed(_ old: String, _ new: String) throws -> String {
      let text = text.replacingOccurrences(of: old, with: new)
      try write(text, to: manifest)
      try write(
        "\(sha256(of: Array(text.utf8)))  manifest.json\n", to: "\(path)/manifest.sha256")
      return message { _ = try ShardFolder(path: path) }
    }
    #expect(
      try resealed("\"lockstep-shards\"", "\"lockstep-checkpoint\"")
        == "\(manifest): expected format `lockstep-shards`, found `lockstep-checkpoint`; "
        + "name a folder that lockstep shard wrote")
    #expect(try resealed("\"version\" : 1", "\"version\" : 2").contains("found version 2"))
    #expect(try resealed("\"multi-label\"", "\"spans\"").contains("found `spans`"))
    #expect(try resealed("\"tokens\" : ", "\"tokens\" : -").contains("out of range"))
    #expect(
      try resealed("\"rows\" : 20,\n  \"task\"", "\"rows\" : 21,\n  \"task\"")
        .contains("manifest.json: expected 21 rows"))
    #expect(try resealed("\"texts_per_row\" : 1", "\"texts\" : 1").contains("absent or empty"))
    for length in ["0", "-1", "4611686018427387904"] {
      let key = "\"max_length\" : "
      #expect(try resealed(key, "\(key)\(length), \"was\" : ").contains("out of range"))
    }
    #expect(try resealed("00000.h5", "../0000.h5").contains("plain file names"))
    #expect(try resealed("nothing", "nothing") == "")
  }

  @Test("A path without shards says what it expected")
  func noShards() throws {
    #expect(
      message { _ = try ShardFolder(path: folder.path) }
        == "\(folder.path): expected manifest.json or files named *.h5, found an empty folder; "
        + "name a folder that lockstep shard wrote")
    #expect(message { _ = try ShardFolder(path: folder("none")) }.contains("No such file"))
    try write("text\ta\n", to: folder("x.h5"))
    #expect(
      message { _ = try ShardFolder(path: folder("x.h5")) }
        == "\(folder("x.h5")): expected an HDF5 file, found file signature not found; "
        + "check that the file is whole and is HDF5")
  }

  @Test("One shard of a folder can be read alone")
  func singleShard() throws {
    let example = Example(rows: 30, hasPairs: true)
    try example.write(to: folder("shards"), shards: 3)
    let reader = try ShardFolder(path: folder("shards/00001.h5"))
    #expect(reader.rows == 10)
    #expect(reader.vocabularySHA256 == Example.vocabulary)
    #expect(try reader.read([3]).inputIDs == example.ids(13))
    #expect(try reader.rowID(3) == example.rowID(13))
    #expect(reader.manifestSHA256.count == 64)
  }

  @Test("A packed shard that was made by hand is read like any other")
  func handmade() throws {
    try HandmadeShard().write(to: folder("good.h5"))
    let reader = try ShardFolder(path: folder("good.h5"))
    #expect(try reader.read([2, 1, 0]).inputIDs == [7, 8, 9, 5, 6])
    #expect(try reader.read([2, 1, 0]).cumulativeLengths == [0, 3, 3, 5])
    #expect(try reader.rowID(1) == "b")
  }

  @Test("What is wrong in a shard is named with its dataset", arguments: [false, true])
  func badShards(isDecoded: Bool) throws {
    var count = 0
    func found(_ change: (inout HandmadeShard) -> Void) throws -> String {
      count += 1
      let path = folder("\(count).h5")
      var shard = HandmadeShard()
      change(&shard)
      try shard.write(to: path)
      let text = message {
        let reader = try ShardFolder(path: path, memoryLimit: isDecoded ? 1 << 20 : 0)
        _ = try reader.read([0, 1, 2])
        _ = try reader.rowID(1)
      }
      #expect(text.hasPrefix(path), "\(text)")
      return String(text.dropFirst(path.count))
    }
    #expect(
      try found { $0.leftOut = "offsets" }.hasPrefix(":/offsets: expected a dataset, found none"))
    #expect(try found { $0.leftOut = "rows" }.hasPrefix(" attribute rows: expected a value"))
    #expect(
      try found { $0.idsAsBytes = true }
        == ":/input_ids: expected int32 [5], found uint8 [5]; write the shards again")
    #expect(
      try found { $0.ids = [5, 6, 7] }
        == ":/input_ids: expected int32 [5], found int32 [3]; write the shards again")
    #expect(
      try found { $0.ids[3] = -8 }
        == ":/input_ids: expected token ids from 0 to 2147483647, found -8; "
        + "write the shards again")
    #expect(
      try found { $0.offsets = [0, 3, 2, 5] }
        == ":/offsets: expected rising offsets, found 3 and then 2 at row 1; "
        + "write the shards again")
    #expect(try found { $0.offsets = [0, 9, 2, 5] }.contains("found 0 and then 9 at row 0"))
    #expect(try found { $0.offsets = [1, 2, 2, 5] }.contains("expected offsets from 0 to 5"))
    #expect(
      try found { $0.attributes["max_length"] = 2 }
        == ":/offsets: expected at most 2 tokens a row, found 3 in row 2; write the shards again")
    #expect(
      try found { $0.labels[2] = .nan }
        == ":/labels: expected finite labels from 0 to 1, found nan; write the shards again")
    #expect(
      try found { $0.labels[2] = 3 }
        == ":/labels: expected finite labels from 0 to 1, found 3.0; write the shards again")
    #expect(
      try found { $0.labels = [0, 1] }
        == ":/labels: expected float32 [3, 2], found float32 [1, 2]; write the shards again")
    #expect(
      try found { $0.attributes["version"] = 9 }.contains("found version 9"))
    #expect(try found { $0.task = "spans" }.contains("found `spans`"))
    #expect(try found { $0.attributes["rows"] = -1 }.contains("found -1 rows"))
    #expect(try found { $0.attributes["rows"] = 1 << 40 }.contains("rows"))
    #expect(
      try found { $0.rowIDOffsets = [0, 7, 2, 3] }.hasPrefix(":/row_id_offsets: expected rising"))
    #expect(try found { $0.rowIDs = [0x61, 0xff, 0x62] }.hasPrefix(":/row_ids: expected UTF-8"))
  }

  @Test("Random rows of a large shard come in about a millisecond, without decoding it")
  func randomAccess() throws {
    let example = Example(rows: 40_000, hasPairs: true)
    try example.write(to: folder("shards"), shards: 1)
    for (memoryLimit, bound) in [(256 << 20, 0.5), (0, 10.0)] {
      let reader = try ShardFolder(path: folder("shards"), memoryLimit: memoryLimit)
      var generator = SplitMix(5)
      _ = try reader.read([0])
      var times: [Double] = []
      for _ in 0..<200 {
        let rows = (0..<8).map { _ in Int.random(in: 0..<40_000, using: &generator) }
        let began = ContinuousClock.now
        let batch = try reader.read(rows)
        times.append((ContinuousClock.now - began) / .milliseconds(1))
        #expect(batch == example.batch(rows))
      }
      let median = times.sorted()[100]
      print("8 random rows of 40,000, memory \(memoryLimit >> 20) MiB: median \(median) ms")
      // Far above what it takes alone: other tests run at the same time.
      #expect(median < bound)
    }
  }

  @Test("Shards without a manifest must agree")
  func disagreement() throws {
    try HandmadeShard().write(to: folder("1.h5"))
    var other = HandmadeShard()
    other.labelNames = ["x", "z"]
    try other.write(to: folder("2.h5"))
    #expect(
      message { _ = try ShardFolder(path: folder.path) }
        == "\(folder("2.h5")): expected labels `x`, `y`, as in \(folder("1.h5")), "
        + "found `x`, `z`; put files of different kinds into different folders")
  }
}
