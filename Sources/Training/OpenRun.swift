import Checkpoints
import Foundation
import Manifests

/// A run folder that this job has to itself: its lock, run.json and metrics.jsonl. Rank 0 alone has
/// one.
package final class OpenRun {
  package let checkpoints: RunFolder
  package var path: String { checkpoints.path }
  private let lock: RunLock
  private var metrics: MetricsLog?
  private var events: EventLog?

  /// Creates the folder if need be and takes its lock.
  ///
  /// - Parameter whileWaiting: called now and then while another job holds it.
  /// - Throws: `TrainingError` when it cannot be written or another job goes on holding it.
  package init(
    path: String, lockPatience: Duration = .seconds(30), whileWaiting: () throws -> Void = {}
  ) throws {
    checkpoints = RunFolder(path: path)
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw TrainingError(
        .data, path, expected: "a run folder that can be created and written",
        found: String(cString: strerror(errno)), remedy: "choose another --output")
    }
    lock = try RunLock(path: path + "/lock", patience: lockPatience, whileWaiting: whileWaiting)
    try checkpoints.removeLeftovers()
  }

  /// The job that uses a run folder, as its lock names it; nil where none does. Nothing is written.
  static func holder(of path: String) -> String? {
    let lock = open(path + "/lock", O_RDONLY | O_CLOEXEC)
    guard lock >= 0 else { return nil }
    defer { close(lock) }
    guard flock(lock, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK else { return nil }
    let text = (try? String(contentsOfFile: path + "/lock", encoding: .utf8)) ?? ""
    return text.isEmpty ? "another process" : text
  }

  /// Opens metrics.jsonl, cut to `bytes`: what a resumed checkpoint knew of.
  package func openMetrics(keeping bytes: Int) throws {
    metrics = try MetricsLog(path: path + "/metrics.jsonl", keeping: bytes)
  }

  /// Has records written to RUN/tensorboard too.
  ///
  /// - Parameters:
  ///   - firstStep: What this job does first.
  ///   - labels: The model's.
  func openEvents(host: String, firstStep: Int, labels: [String]) throws {
    events = try EventLog(
      folder: path + "/tensorboard", host: host, firstStep: firstStep, labels: labels)
  }

  /// Appends one line to metrics.jsonl, and its numbers to RUN/tensorboard, now or once there is room
  /// for it.
  ///
  /// - Returns: Whether any of it waits for room.
  @discardableResult
  package func append(_ record: some RunRecord) throws -> Bool {
    try metrics?.append(record)
    try events?.append(record)
    return metrics?.file.isBehind == true || events?.file.isBehind == true
  }

  /// Writes the lines that wait for room.
  ///
  /// - Returns: The length of metrics.jsonl in bytes, and what makes it durable, on any thread.
  func writeWaitingMetrics() throws -> (bytes: Int, sync: @Sendable () throws -> Void) {
    let syncMetrics = metrics?.file.sync
    // No checkpoint is given up for plots, which metrics.jsonl has the numbers of.
    let syncEvents = (try? events?.file.writeWaiting()) == nil ? nil : events?.file.sync
    let bytes = try metrics?.file.writeWaiting() ?? 0
    return (
      bytes,
      {
        try syncMetrics?()
        try? syncEvents?()
      }
    )
  }

  /// Replaces RUN/run.json.
  package func writeConfiguration(_ configuration: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try replaceFile(
      path + "/run.json", with: Array(try encoder.encode(configuration)) + [UInt8(ascii: "\n")])
  }
}

/// An exclusive flock on RUN/lock for as long as the object lives, naming who holds it.
///
/// Ranks outlive a killed mpirun by seconds, so a second job waits a while.
private final class RunLock {
  private let descriptor: Int32

  init(path: String, patience: Duration, whileWaiting: () throws -> Void) throws {
    // Closed by deinit, also where this throws further down.
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw TrainingError(
        .data, path, expected: "a lock file that can be written",
        found: String(cString: strerror(errno)), remedy: "choose another --output")
    }
    let deadline = ContinuousClock.now + patience
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw TrainingError(
          .data, path, expected: "a file system that locks files",
          found: String(cString: strerror(errno)),
          remedy: "choose an --output on another file system")
      }
      guard ContinuousClock.now < deadline else {
        let holder = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        throw TrainingError(
          .usage, path, expected: "a run folder that no other job uses",
          found: "it is held by \(holder.isEmpty ? "another process" : holder)",
          remedy: "wait for that job or choose another --output")
      }
      try whileWaiting()
      usleep(100_000)
    }
    let holder = "pid \(getpid()) on \(ProcessInfo.processInfo.hostName)"
    ftruncate(descriptor, 0)
    _ = holder.withCString { pwrite(descriptor, $0, strlen($0), 0) }
  }

  deinit { close(descriptor) }
}
