import Foundation
import Glibc

/// The built `lockstep`, run as its users run it.
enum Program {
  struct Result {
    let status: Int32
    let output: String
    let errors: String
  }

  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let fixtures = package + "/Tests/Fixtures"

  /// The product lies beside the running test program.
  static var path: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let executable = String(decoding: buffer.prefix(max(0, length)).map(UInt8.init), as: UTF8.self)
    return URL(fileURLWithPath: executable).deletingLastPathComponent().path + "/lockstep"
  }

  /// Runs a command to its end, under mpirun where `ranks` says so.
  ///
  /// - Parameters:
  ///   - ranks: nil for the bare program.
  ///   - environment: Variables beside this process's own.
  ///   - program: What is run in place of the built `lockstep`.
  ///   - seconds: After which it is killed: a hang is a failure, not a stuck test run.
  static func run(
    _ arguments: [String], ranks: Int? = nil, input: String = "",
    environment: [String: String] = [:], seconds: Double = 120, program: String = path
  ) throws -> Result {
    let process = Process()
    if let ranks {
      process.executableURL = URL(fileURLWithPath: package + "/launch/local")
      // Unbound: other tests run at the same time, and bound jobs would share the first cores.
      process.arguments = ["-n", "\(ranks)", "--no-bind", "--", program] + arguments
    } else {
      process.executableURL = URL(fileURLWithPath: program)
      process.arguments = arguments
    }
    process.environment = ProcessInfo.processInfo.environment
      .merging(environment) { _, new in new }
    // Files instead of pipes: nothing blocks however much is written.
    let folder = try TemporaryFolder()
    let streams = try ["input", "output", "errors"].map { name -> FileHandle in
      let file = folder.path + "/" + name
      try Data((name == "input" ? input : "").utf8).write(to: URL(fileURLWithPath: file))
      return try FileHandle(forUpdating: URL(fileURLWithPath: file))
    }
    process.standardInput = streams[0]
    process.standardOutput = streams[1]
    process.standardError = streams[2]
    try process.run()
    let deadline = Date.now.addingTimeInterval(seconds)
    while process.isRunning, Date.now < deadline { usleep(10_000) }
    if process.isRunning {
      kill(process.processIdentifier, SIGKILL)
    }
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      String(
        decoding: try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name)),
        as: UTF8.self)
    }
    return Result(
      status: process.terminationStatus, output: try text("output"), errors: try text("errors"))
  }
}

/// A folder that is gone with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array((NSTemporaryDirectory() + "/lockstep-test-XXXXXX").utf8CString)
    guard let made = mkdtemp(&template) else { throw POSIXError(.EACCES) }
    path = String(cString: made)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    return file
  }

  func write(_ name: String, bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }
}
