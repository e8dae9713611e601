import Foundation
import TensorBoard
import Testing

@testable import Training

@Suite struct OpenRunTests {
  private struct Event: RunRecord {
    var event: String
    var step = 1
    func scalars(labels: [String]) -> [Scalar] { [Scalar("test/one", 1)] }
  }

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
    try run.append(Event(event: "one"))
    let known = try run.writeWaitingMetrics().bytes
    try run.append(Event(event: "lost"))
    try run.openMetrics(keeping: known)
    try run.append(Event(event: "two"))
    let text = try String(contentsOfFile: path + "/metrics.jsonl", encoding: .utf8)
    #expect(text == "{\"event\":\"one\",\"step\":1}\n{\"event\":\"two\",\"step\":1}\n")
  }
}
