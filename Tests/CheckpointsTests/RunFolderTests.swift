import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct RunFolderTests {
  let folder: TemporaryFolder
  let run: RunFolder
  init() throws {
    folder = try TemporaryFolder()
    run = RunFolder(path: folder.path)
  }

  private func make(_ steps: [Int]) throws {
    for step in steps {
      let path = try folder.make("checkpoint-\(step)")
      try write([1], to: "\(path)/config.json")
    }
  }

  @Test("Checkpoints are listed newest first, by number, and nothing else is")
  func listing() throws {
    #expect(try run.checkpoints() == [])
    try make([9, 10, 100, 0])
    for other in [
      "checkpoint-", "checkpoint-07", "checkpoint--7", "checkpoint-7x", "checkpoint-+7",
      "checkpoint-99999999999999999999", "rejected-8", "rejected-8-1", "Checkpoint-8",
      ".checkpoint-11.partial-1-a",
    ] { _ = try folder.make(other) }
    try write([1], to: folder("checkpoint-12"))
    try run.point(.last, atStep: 100)
    try FileManager.default.createSymbolicLink(
      atPath: folder("checkpoint-13"), withDestinationPath: "checkpoint-9")
    #expect(try run.checkpoints().map(\.step) == [100, 10, 9, 0])
    #expect(try run.checkpoints().first?.path == folder("checkpoint-100"))
    #expect(
      message { _ = try RunFolder(path: folder("none")).checkpoints() }
        == "\(folder("none")): expected to list the folder, found No such file or directory; "
        + "check the path")
  }

  @Test("best and last are relative links that are replaced in one step")
  func links() throws {
    try make([1, 2])
    #expect(try run.step(of: .best) == nil)
    try run.point(.best, atStep: 1)
    try run.point(.best, atStep: 2)
    try run.point(.last, atStep: 2)
    #expect(linkTarget(folder("best")) == "checkpoint-2")
    #expect(try run.step(of: .best) == 2)
    #expect(exists(folder("best/config.json")))
    #expect(try folder.names == ["best", "checkpoint-1", "checkpoint-2", "last"])
    try run.point(.last, atStep: 3)
    #expect(try run.step(of: .last) == nil, "a dangling link points at no checkpoint")
    _ = try folder.make("x")
    let blocked = RunFolder(path: folder("x"))
    try FileManager.default.createDirectory(
      atPath: folder("x/best"), withIntermediateDirectories: false)
    #expect(message { try blocked.point(.best, atStep: 1) }.contains("x/best: expected to rename"))
    #expect(try entries(ofFolder: folder("x")).map(\.name) == ["best"])
  }

  @Test("The newest N stay, and best and last always do")
  func keeping() throws {
    try make([1, 2, 3, 4, 5, 6])
    try run.point(.best, atStep: 2)
    try run.point(.last, atStep: 6)
    #expect(try run.removeOldCheckpoints(keeping: 3) == [3, 1])
    #expect(try run.checkpoints().map(\.step) == [6, 5, 4, 2])
    #expect(try run.removeOldCheckpoints(keeping: 3) == [])
    #expect(try run.removeOldCheckpoints(keeping: 1, where: { $0.step != 6 }) == [4])
    #expect(try run.checkpoints().map(\.step) == [6, 5, 2])
    #expect(try run.removeOldCheckpoints(keeping: 1) == [5])
    #expect(
      try folder.names == ["best", "checkpoint-2", "checkpoint-6", "last"])
  }

  @Test("What killed processes left hidden goes; everything else stays")
  func leftovers() throws {
    try make([1])
    let partial = try folder.make(".checkpoint-2.partial-123-ab12")
    try write([1], to: "\(partial)/model.safetensors")
    _ = try folder.make(".checkpoint-0.removed-123-ab12/inner/deep")
    _ = try folder.make(".checkpoint-1.replaced-123-ab12")
    let replaced = try folder.make(".checkpoint-3.replaced-123-0")
    try write([3], to: "\(replaced)/config.json")
    try FileManager.default.createSymbolicLink(
      atPath: folder(".best.partial-1-f"), withDestinationPath: "checkpoint-1")
    let kept = [
      ".git", ".checkpoint-1", ".partial-1-a", ".x.partial-1", ".x.partial-a-1", ".x.other-1-1",
    ]
    for name in kept { _ = try folder.make(name) }
    try write([1], to: folder("metrics.jsonl"))
    #expect(try run.removeLeftovers().count == 5)
    #expect(
      try folder.names
        == (kept + ["checkpoint-1", "checkpoint-3", "metrics.jsonl"]).sorted())
    #expect(try read(folder("checkpoint-3/config.json")) == [3])
    #expect(try run.removeLeftovers() == [])
  }
}
