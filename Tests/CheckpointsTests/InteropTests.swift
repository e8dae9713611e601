import Foundation
import Testing

@testable import Checkpoints

/// A Python with torch and safetensors, named by LOCKSTEP_PYTHON.
private let python = ProcessInfo.processInfo.environment["LOCKSTEP_PYTHON"]

private let script = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("Interop/checkpoints.py").path

/// Runs a program and returns its status and all that it printed.
private func run(_ program: String, _ arguments: [String], in folder: String) throws -> (
  status: Int32, output: String
) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: folder)
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

@Suite(
  .enabled(if: python != nil, "LOCKSTEP_PYTHON names no Python with torch and safetensors"),
  .serialized)
struct InteropTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test("The reference implementation opens our files and would write the same bytes")
  func ours() throws {
    let python = try #require(python)
    let weights = OwnedTensors(SafetensorsTests.shapes, seed: 1)
    for (name, limit) in [("single", 1 << 40), ("several", 1_000_000)] {
      let contents = CheckpointContents(
        weights: weights.views, expAvg: weights.views, expAvgSq: weights.views,
        files: [("trainer_state.json", Array("{}".utf8))], maxShardBytes: limit)
      _ = try writeCheckpoint(contents, to: folder(name))
    }
    let (status, output) = try run(
      python, [script, "check", folder("single"), folder("several")], in: folder.path)
    #expect(status == 0, "\(output)")
    #expect(output.contains("single: 2 tensor files, 3 files\nseveral: "), "\(output)")
  }

  @Test("Files of the reference implementation are read, halves as torch widens them")
  func theirs() throws {
    let python = try #require(python)
    let (status, output) = try run(python, [script, "write", folder.path], in: folder.path)
    try #require(status == 0, "\(output)")
    let mixed = try ModelFolder(path: folder("mixed"))
    let expected = try ModelFolder(path: folder("expected"))
    #expect(expected.tensorNames.count == 5)
    for name in expected.tensorNames {
      let (a, b) = (try mixed.floats(name), try expected.floats(name))
      #expect(a.count == b.count)
      let differing = zip(a, b).filter {
        $0.bitPattern != $1.bitPattern && !($0.isNaN && $1.isNaN)
      }
      #expect(differing.isEmpty, "\(name): \(differing.prefix(3))")
    }
    #expect(mixed.type(of: "embeddings.position_ids") == .int64)

    for name in ["zip", "protocol-4", "protocol-5", "bare", "several"] {
      let pickled = try ModelFolder(path: folder("torch-\(name)"))
      let wanted = try ModelFolder(path: folder("torch-expected"))
      #expect(Set(pickled.tensorNames) == Set(wanted.tensorNames), "\(name)")
      #expect(wanted.tensorNames.count == 13)
      for tensor in wanted.tensorNames {
        #expect(pickled.shape(of: tensor) == wanted.shape(of: tensor), "\(name): \(tensor)")
        guard try #require(pickled.type(of: tensor)).widensToFloat32 else { continue }
        let (a, b) = (try pickled.floats(tensor), try wanted.floats(tensor))
        #expect(a.map(\.bitPattern) == b.map(\.bitPattern), "\(name): \(tensor)")
      }
    }
    let text = message { _ = try ModelFolder(path: folder("torch-hostile")) }
    #expect(text.contains("found the global `posix.system`"), "\(text)")
  }
}
