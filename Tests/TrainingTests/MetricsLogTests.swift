import Foundation
import Glibc
import Testing

@testable import Training

@Suite struct MetricsLogTests {
  private let path = NSTemporaryDirectory() + "/lockstep-metrics-\(UInt64.random(in: 0 ... .max))"

  @Test("lines that a full disk refuses are kept, and written in order once there is room")
  func waitsForRoom() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let file = path
    await #expect(processExitsWith: .exitCode(3)) { [file = file as String] in
      // Writes beyond the limit fail with EFBIG, much as those on a full disk do with ENOSPC.
      signal(SIGXFSZ, SIG_IGN)
      func limit(_ bytes: rlim_t) {
        var limit = rlimit(rlim_cur: bytes, rlim_max: .max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      }
      let log = try MetricsLog(path: file, keeping: 0)
      try log.append(["n": 1])
      // Room for a part of the second line only.
      limit(13)
      for n in 2...4 { try log.append(["n": n]) }
      guard log.file.isBehind, (try? log.file.writeWaiting()) == nil else { exit(4) }
      limit(.max)
      try log.append(["n": 5])
      guard !log.file.isBehind, try log.file.writeWaiting() == 40 else { exit(5) }
      exit(3)
    }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == (1...5).map { "{\"n\":\($0)}\n" }.joined())
  }

  @Test("a log that cannot be opened is an error with its path")
  func unopenable() {
    let error = #expect(throws: TrainingError.self) {
      try MetricsLog(path: "/nonexistent/metrics.jsonl", keeping: 0)
    }
    #expect(error?.place == "/nonexistent/metrics.jsonl")
    #expect(error?.found == "No such file or directory")
  }
}
