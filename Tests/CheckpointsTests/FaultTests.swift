import Foundation
import Manifests
import Testing

@testable import Checkpoints

/// Saves that are killed or refused by the file system. Each runs in a process of its own.
@Suite struct FaultTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  static let shapes: [(String, [Int])] = [("a", [300, 1000]), ("b", [400_000]), ("c", [5])]

  static func save(
    step: Int, in run: String, progress: (Int) -> Void = { _ in }
  ) throws -> CheckpointReceipt {
    let tensors = OwnedTensors(shapes, seed: step)
    let contents = CheckpointContents(
      weights: tensors.views, expAvg: tensors.views, expAvgSq: tensors.views,
      files: [("trainer_state.json", Array("{}".utf8))], maxShardBytes: 2_000_000)
    return try writeCheckpoint(
      contents, to: RunFolder(path: run).checkpointPath(step: step), progress: progress)
  }

  @Test("A save that is killed at any block leaves the older checkpoint and one hidden folder")
  func killed() async throws {
    _ = try Self.save(step: 1, in: folder.path)
    let path = folder.path
    for block in [1, 2, 7, 11] {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [path = path as String, block = block as Int] in
        var blocks = 0
        _ = try FaultTests.save(step: 2, in: path) { _ in
          blocks += 1
          if blocks == block { kill(getpid(), SIGKILL) }
        }
      }
      let names = try folder.names
      #expect(names.count == 2, "\(names)")
      #expect(names.first?.hasPrefix(".checkpoint-2.partial-") == true)
      #expect(try RunFolder(path: path).checkpoints().map(\.step) == [1])
      #expect(try RunFolder(path: path).removeLeftovers().count == 1)
    }
    _ = try Self.save(step: 2, in: path)
    try Checkpoint(path: folder("checkpoint-1")).verify()
    try Checkpoint(path: folder("checkpoint-2")).verify()
    #expect(try folder.names == ["checkpoint-1", "checkpoint-2"])
  }

  @Test("A save that the file system refuses midway names the file and leaves nothing of itself")
  func refused() async throws {
    _ = try Self.save(step: 1, in: folder.path)
    let path = folder.path
    await #expect(processExitsWith: .exitCode(3)) { [path = path as String] in
      // Writes beyond the limit fail with EFBIG, much as those on a full disk do with ENOSPC.
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 1_500_000, rlim_max: 1_500_000)
      setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      do {
        _ = try FaultTests.save(step: 2, in: path)
      } catch let error as ManifestError {
        let isNamed = error.place.contains(".checkpoint-2.partial-")
        exit(isNamed && error.found == "File too large" ? 3 : 4)
      }
    }
    #expect(try folder.names == ["checkpoint-1"])
    try Checkpoint(path: folder("checkpoint-1")).verify()
  }

  @Test(
    "A save on a full disk names the file and leaves the older checkpoint whole",
    .enabled(
      if: ProcessInfo.processInfo.environment["LOCKSTEP_SMALL_DISK"] != nil,
      "LOCKSTEP_SMALL_DISK names no folder on a file system of 12 MB"))
  func fullDisk() throws {
    let disk = try #require(ProcessInfo.processInfo.environment["LOCKSTEP_SMALL_DISK"])
    _ = try Self.save(step: 1, in: disk)
    defer { try? removeFolder("\(disk)/checkpoint-1") }
    for _ in 0..<2 {
      let text = message { _ = try Self.save(step: 2, in: disk) }
      #expect(text.contains("found No space left on device; free space"), "\(text)")
      #expect(try entries(ofFolder: disk).map(\.name) == ["checkpoint-1"])
      try Checkpoint(path: "\(disk)/checkpoint-1").verify()
    }
  }
}
