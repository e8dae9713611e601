import Checkpoints
import Foundation

/// A run folder that this job has to itself: its lock, run.json and metrics.jsonl. Rank 0 alone has
/// one.
package final class OpenRun {
  package let checkpoints: RunFolder
  package var path: String { checkpoints.path }
  private let lock: RunLock
  private var metrics: FileHandle?
  private let encoder = JSONEncoder()

  /// Creates the folder if need be and takes its lock.
  ///
  /// - Throws: `TrainingError` when it cannot be written or another job holds it.
  package init(path: String, lockPatience: Duration = .seconds(30)) throws {
    checkpoints = RunFolder(path: path)
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw TrainingError(
        .data, path, expected: "a run folder that can be created and written",
        found: String(cString: strerror(errno)), remedy: "choose another --output")
    }
    lock = try RunLock(path: path + "/lock", patience: lockPatience)
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try checkpoints.removeLeftovers()
  }

  /// Opens metrics.jsonl, cut to `bytes`: what a resumed checkpoint knew of.
  package func openMetrics(keeping bytes: Int) throws {
    let file = path + "/metrics.jsonl"
    let descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw unwritable(file) }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let length = Int(try handle.seekToEnd())
    if length > bytes { try handle.truncate(atOffset: UInt64(bytes)) }
    try handle.seekToEnd()
    metrics = handle
  }

  /// Appends one line to metrics.jsonl.
  package func append(_ record: some Encodable) throws {
    let line = try encoder.encode(record) + Data("\n".utf8)
    do {
      try metrics?.write(contentsOf: line)
    } catch {
      throw unwritable(path + "/metrics.jsonl")
    }
  }

  /// Makes metrics.jsonl durable.
  ///
  /// - Returns: Its length in bytes.
  package func flushMetrics() throws -> Int {
    try metrics?.synchronize()
    return Int(try metrics?.offset() ?? 0)
  }

  /// Replaces RUN/run.json.
  package func writeConfiguration(_ configuration: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let file = path + "/run.json"
    do {
      try encoder.encode(configuration).write(
        to: URL(fileURLWithPath: file), options: .atomic)
    } catch is CocoaError {
      throw unwritable(file)
    }
  }

  private func unwritable(_ file: String) -> TrainingError {
    TrainingError(
      .data, file, expected: "a file that can be written",
      found: String(cString: strerror(errno)), remedy: "choose another --output")
  }
}

/// An exclusive flock on RUN/lock for as long as the object lives, naming who holds it.
///
/// Ranks outlive a killed mpirun by seconds, so a second job waits a while.
private final class RunLock {
  private let descriptor: Int32

  init(path: String, patience: Duration) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw TrainingError(
        .data, path, expected: "a lock file that can be written",
        found: String(cString: strerror(errno)), remedy: "choose another --output")
    }
    let deadline = ContinuousClock.now + patience
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        let found = String(cString: strerror(errno))
        close(descriptor)
        throw TrainingError(
          .data, path, expected: "a file system that locks files", found: found,
          remedy: "choose an --output on another file system")
      }
      guard ContinuousClock.now < deadline else {
        let holder = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        close(descriptor)
        throw TrainingError(
          .usage, path, expected: "a run folder that no other job uses",
          found: "it is held by \(holder.isEmpty ? "another process" : holder)",
          remedy: "wait for that job or choose another --output")
      }
      usleep(100_000)
    }
    let holder = "pid \(getpid()) on \(ProcessInfo.processInfo.hostName)"
    ftruncate(descriptor, 0)
    _ = holder.withCString { pwrite(descriptor, $0, strlen($0), 0) }
  }

  deinit { close(descriptor) }
}
