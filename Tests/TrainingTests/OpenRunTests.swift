import Foundation
import Testing

@testable import Training

@Suite struct OpenRunTests {
  private let path = NSTemporaryDirectory() + "/lockstep-run-\(UInt64.random(in: 0 ... .max))"

  @Test("a second job on a run folder waits, then is refused with the holder's name")
  func locksTheFolder() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    var first: OpenRun? = try OpenRun(path: path)
    let error = #expect(throws: TrainingError.self) {
      try OpenRun(path: path, lockPatience: .milliseconds(150))
    }
    #expect(error?.kind == .usage)
    #expect(error?.found.contains("pid \(ProcessInfo.processInfo.processIdentifier)") == true)
    _ = first
    first = nil
    #expect(throws: Never.self) { try OpenRun(path: path, lockPatience: .milliseconds(150)) }
  }

  @Test("metrics.jsonl is cut to what a checkpoint knew, and goes on from there")
  func cutsMetrics() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let run = try OpenRun(path: path)
    try run.openMetrics(keeping: 0)
    try run.append(["event": "one"])
    let known = try run.writeWaitingMetrics().bytes
    try run.append(["event": "lost"])
    try run.openMetrics(keeping: known)
    try run.append(["event": "two"])
    let text = try String(contentsOfFile: path + "/metrics.jsonl", encoding: .utf8)
    #expect(text == "{\"event\":\"one\"}\n{\"event\":\"two\"}\n")
  }
}
