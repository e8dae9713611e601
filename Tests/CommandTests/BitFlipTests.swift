import Checkpoints
import Foundation
import Glibc
import Manifests
import Shards
import Testing

/// A bit that rots anywhere in a sealed folder is found before anything of the folder is used.
@Suite struct BitFlipTests {
  /// A job with a checkpoint whose weights and optimizer state lie in several files each.
  private func trainedJob() throws -> (job: TinyJob, checkpoint: String) {
    let job = try TinyJob(rows: 24)
    let result = try Program.run(
      job.arguments(output: "run", "--max-steps", "2", "--max-shard-size", "20KB"))
    #expect(result.status == 0, "\(result.errors)")
    return (job, job.folder.path + "/run/checkpoint-2")
  }

  @Test("500 flipped bits over all files of a checkpoint are each detected, and none is resumed")
  func checkpoint() throws {
    let (job, path) = try trainedJob()
    try withExtendedLifetime(job) {
      try expectDetection(in: path, flips: 500, seed: 1) {
        // As `--resume` does.
        try Checkpoint(path: path).verify()
      }
    }
  }

  @Test("500 flipped bits over all files of a shard folder are each detected, and none is read")
  func shards() throws {
    let job = try TinyJob(rows: 24)
    try expectDetection(in: job.train, flips: 500, seed: 2) {
      // As every rank does at the start of a run.
      let folder = try ShardFolder(path: job.train)
      for shard in folder.shardPaths.indices { try folder.verifyShard(shard) }
    }
  }

  /// Flips bits one after the other, in files drawn evenly so that small ones get their share.
  ///
  /// - Parameter use: what reads the folder in earnest; must throw for as long as a bit is wrong.
  private func expectDetection(
    in folder: String, flips: Int, seed: UInt64, use: () throws -> Void
  ) throws {
    let names = try entries(ofFolder: folder).map(\.name)
    #expect(names.contains("manifest.json") && names.contains("manifest.sha256"))
    #expect(throws: Never.self) { try use() }
    var random = Draw(state: seed)
    var hits: [String: Int] = [:]
    for _ in 0..<flips {
      let name = names[Int.random(in: names.indices, using: &random)]
      let flip = try BitFlip(inFile: "\(folder)/\(name)", using: &random)
      hits[name, default: 0] += 1
      try flip.toggle()
      let found = try verifySealedFolder(folder).failures
      #expect(found.count == 1, "\(flip): \(found)")
      let place = found.first?.place ?? ""
      #expect(
        place.hasSuffix("/\(name)") || (name == "manifest.sha256" && place.contains("/manifest.")),
        "\(flip) is named as \(place)")
      #expect(throws: (any Error).self, "\(flip)") { try use() }
      try flip.toggle()
      let mended = try verifySealedFolder(folder).failures
      #expect(mended == [], "\(flip) was mended")
    }
    #expect(throws: Never.self) { try use() }
    #expect(hits.count == names.count, "flips a file: \(hits)")
  }

  @Test("the program refuses a checkpoint with a flipped bit to verify and to --resume, with 65")
  func programRefusesCheckpoint() throws {
    let (job, path) = try trainedJob()
    let resume = job.arguments(output: "again", "--max-steps", "3", "--resume", path)
    try expectRefusal(in: path, flips: 6, seed: 3, commands: [["verify", path], resume])
    let mended = try Program.run(resume)
    #expect(mended.status == 0, "\(mended.errors)")
  }

  @Test("the program refuses shards with a flipped bit to verify and to train on, with 65")
  func programRefusesShards() throws {
    let job = try TinyJob(rows: 24)
    let train = job.arguments(output: "run", "--max-steps", "1")
    try expectRefusal(in: job.train, flips: 6, seed: 4, commands: [["verify", job.train], train])
    let mended = try Program.run(train)
    #expect(mended.status == 0, "\(mended.errors)")
  }

  private func expectRefusal(
    in folder: String, flips: Int, seed: UInt64, commands: [[String]]
  ) throws {
    let names = try entries(ofFolder: folder).map(\.name)
    var random = Draw(state: seed)
    for index in 0..<flips {
      // The first two are the manifests.
      let fixed = ["manifest.json", "manifest.sha256"]
      let name =
        index < fixed.count
        ? fixed[index] : names[Int.random(in: names.indices, using: &random)]
      let flip = try BitFlip(inFile: "\(folder)/\(name)", using: &random)
      try flip.toggle()
      for command in commands {
        let result = try Program.run(command)
        #expect(result.status == 65, "\(flip), \(command[0]): \(result.errors)")
        let said = result.output + result.errors
        #expect(said.contains("manifest.") || said.contains(name), "\(flip): \(said)")
      }
      try flip.toggle()
    }
  }
}

/// One bit of a file.
private struct BitFlip: CustomStringConvertible {
  private let path: String
  private let offset: Int
  private let bit: Int
  var description: String { "\(path), byte \(offset), bit \(bit)" }

  init(inFile path: String, using random: inout Draw) throws {
    let bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    self.path = path
    offset = Int.random(in: 0..<bytes, using: &random)
    bit = Int.random(in: 0..<8, using: &random)
  }

  /// Sets the bit if it is clear, and clears it if it is set.
  func toggle() throws {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    defer { close(descriptor) }
    var byte: UInt8 = 0
    let wasRead = pread(descriptor, &byte, 1, off_t(offset)) == 1
    byte ^= 1 << bit
    guard wasRead, pwrite(descriptor, &byte, 1, off_t(offset)) == 1 else {
      throw POSIXError(.EIO)
    }
  }
}

/// SplitMix64: the same positions in every run.
private struct Draw: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
