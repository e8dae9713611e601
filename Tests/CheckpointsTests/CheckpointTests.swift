import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct CheckpointTests {
  static let shapes: [(String, [Int])] = [
    ("embeddings.weight", [50, 8]), ("norm.weight", [8]), ("norm.bias", [8]),
    ("head.weight", [3, 8]), ("head.bias", [3]), ("scale", []), ("nothing", [0, 8]),
  ]
  let folder: TemporaryFolder
  let weights = OwnedTensors(shapes, seed: 1)
  let expAvg = OwnedTensors(shapes, seed: 2)
  let expAvgSq = OwnedTensors(shapes, seed: 3)
  init() throws { folder = try TemporaryFolder() }

  private func contents(maxShardBytes: Int = 5_000_000_000) throws -> CheckpointContents {
    CheckpointContents(
      weights: weights.views, expAvg: expAvg.views, expAvgSq: expAvgSq.views,
      files: [
        ("config.json", Array("{}\n".utf8)),
        ("trainer_state.json", Array(#"{"global_step": 7}"#.utf8)),
        ("vocab.txt", Array("[PAD]\n".utf8)),
      ], maxShardBytes: maxShardBytes)
  }

  private func expectContent(_ path: String) throws {
    let checkpoint = try Checkpoint(path: path)
    try checkpoint.verify()
    #expect(try checkpoint.trainerState() == Data(#"{"global_step": 7}"#.utf8))
    for (name, shape) in Self.shapes {
      #expect(try checkpoint.model.floats(name) == weights[name])
      for (moment, expected) in [(OptimizerMoment.expAvg, expAvg), (.expAvgSq, expAvgSq)] {
        let read = try floatArray(shape) {
          try checkpoint.readOptimizer(moment, of: name, shape: shape, into: $0)
        }
        #expect(read == expected[name], "\(moment) of \(name)")
      }
    }
  }

  @Test("A checkpoint comes back to the bit, and verifies")
  func roundTrip() throws {
    let path = folder("checkpoint-7")
    var progress = 0
    let receipt = try writeCheckpoint(contents(), to: path) { progress += $0 }
    #expect(
      try entries(ofFolder: path).map(\.name) == [
        "config.json", "manifest.json", "manifest.sha256", "model.safetensors",
        "optimizer-00001-of-00001.safetensors", "trainer_state.json", "vocab.txt",
      ])
    try expectContent(path)
    let sizes = try receipt.files.map { try sha256OfFile("\(path)/\($0.name)").bytes }
    #expect(receipt.bytes == sizes.reduce(0, +))
    #expect(receipt.seconds > 0)
    #expect(progress > 3 * weights.views.reduce(0) { $0 + $1.byteCount })
    #expect(try folder.names == ["checkpoint-7"])
  }

  @Test("Weights and optimizer are cut into several files, which read the same")
  func sharded() throws {
    let path = folder("checkpoint-7")
    _ = try writeCheckpoint(contents(maxShardBytes: 1_600), to: path)
    #expect(
      try entries(ofFolder: path).map(\.name) == [
        "config.json", "manifest.json", "manifest.sha256", "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors", "model.safetensors.index.json",
        "optimizer-00001-of-00003.safetensors", "optimizer-00002-of-00003.safetensors",
        "optimizer-00003-of-00003.safetensors", "trainer_state.json", "vocab.txt",
      ])
    try expectContent(path)
  }

  @Test("The same state gives the same bytes in every file, manifest included")
  func deterministic() throws {
    _ = try writeCheckpoint(contents(maxShardBytes: 1_600), to: folder("checkpoint-1"))
    _ = try writeCheckpoint(contents(maxShardBytes: 1_600), to: folder("checkpoint-2"))
    for entry in try entries(ofFolder: folder("checkpoint-1")) {
      #expect(
        try read(folder("checkpoint-1/\(entry.name)"))
          == read(folder("checkpoint-2/\(entry.name)")))
    }
  }

  @Test("A flip of any of 500 random bits fails verification and names the file")
  func bitFlips() throws {
    let path = folder("checkpoint-7")
    _ = try writeCheckpoint(contents(maxShardBytes: 1_600), to: path)
    let names = try entries(ofFolder: path).map(\.name)
    var random = SeededGenerator(state: 7)
    for _ in 0..<500 {
      let name = names[Int.random(in: 0..<names.count, using: &random)]
      let file = "\(path)/\(name)"
      let original = try read(file)
      var damaged = original
      let bit = Int.random(in: 0..<original.count * 8, using: &random)
      damaged[bit / 8] ^= 1 << UInt8(bit % 8)
      try write(damaged, to: file)
      let text = message { try Checkpoint(path: path).verify() }
      #expect(text.contains("\(path)/"), "\(name) bit \(bit): \(text)")
      try write(original, to: file)
    }
    try Checkpoint(path: path).verify()
  }

  @Test("A missing part of the optimizer state or the trainer state is named")
  func missingParts() throws {
    let path = folder("checkpoint-7")
    let part = "\(path)/optimizer-00002-of-00003.safetensors"
    _ = try writeCheckpoint(contents(maxShardBytes: 1_600), to: path)
    let bytes = try read(part)
    try FileManager.default.removeItem(atPath: part)
    #expect(
      message { _ = try Checkpoint(path: path) }.contains(
        "expected optimizer state in 2 files, found no such file"))
    try write(bytes, to: part)
    var value: Float = 0
    #expect(
      message {
        try Checkpoint(path: path).readOptimizer(.expAvg, of: "other", shape: [], into: &value)
      }.hasPrefix("\(path): optimizer state: expected a tensor `exp_avg.other`, found none"))
    #expect(
      message {
        try Checkpoint(path: path).readOptimizer(.expAvgSq, of: "scale", shape: [1], into: &value)
      }.contains("tensor `exp_avg_sq.scale`: expected shape [1], found []"))
    try FileManager.default.removeItem(atPath: "\(path)/trainer_state.json")
    #expect(
      message { _ = try Checkpoint(path: path) }.hasPrefix(
        "\(path)/trainer_state.json: expected the state of a training run, found no such file"))
  }

  @Test("A sealed folder of another kind does not verify as a checkpoint")
  func otherFormat() throws {
    let path = folder("checkpoint-7")
    _ = try writeCheckpoint(contents(), to: path)
    let manifest = try String(decoding: read("\(path)/manifest.json"), as: UTF8.self)
    let other = Array(manifest.replacing("lockstep-checkpoint", with: "lockstep-shards").utf8)
    try write(other, to: "\(path)/manifest.json")
    try write(
      Array("\(sha256(of: other))  manifest.json\n".utf8), to: "\(path)/manifest.sha256")
    #expect(
      message { try Checkpoint(path: path).verify() }.contains(
        "expected format `lockstep-checkpoint`, found `lockstep-shards`"))
  }

  @Test("A failed save leaves nothing behind and keeps what was there")
  func failedSave() throws {
    _ = try writeCheckpoint(contents(), to: folder("checkpoint-7"))
    var broken = try contents()
    broken.files.append(("vocab.txt", []))
    #expect(
      message { _ = try writeCheckpoint(broken, to: folder("checkpoint-8")) }
        == "\(folder("checkpoint-8")): expected a new plain file name, found `vocab.txt`; "
        + "name each file once, without folders")
    #expect(
      message { _ = try writeCheckpoint(broken, to: folder("checkpoint-7"), replacing: true) }
        != "nothing")
    #expect(
      message { _ = try writeCheckpoint(try contents(), to: folder("checkpoint-7")) }.contains(
        "expected nothing there yet"))
    #expect(try folder.names == ["checkpoint-7"])
    try expectContent(folder("checkpoint-7"))
    _ = try writeCheckpoint(
      contents(maxShardBytes: 1_600), to: folder("checkpoint-7"), replacing: true)
    #expect(try folder.names == ["checkpoint-7"])
    try expectContent(folder("checkpoint-7"))
  }

  @Test("Weights alone are a model folder without optimizer files")
  func weightsAlone() throws {
    let path = folder("model")
    _ = try writeCheckpoint(CheckpointContents(weights: weights.views), to: path)
    #expect(
      try entries(ofFolder: path).map(\.name)
        == ["manifest.json", "manifest.sha256", "model.safetensors"])
    #expect(try ModelFolder(path: path).tensorNames.count == Self.shapes.count)
  }
}
