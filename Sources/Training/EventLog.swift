import Foundation
import Glibc
import TensorBoard

/// RUN/tensorboard: the numbers of metrics.jsonl as TensorBoard reads them.
///
/// Each job writes a file of its own, which begins by voiding the steps that it does again.
final class EventLog {
  let file: GrowingFile
  private let labels: [String]

  /// Creates the folder if need be, and this job's file in it.
  ///
  /// - Parameters:
  ///   - firstStep: What this job does first.
  ///   - labels: The model's.
  /// - Throws: `TrainingError` naming the folder or the file.
  init(folder: String, host: String, firstStep: Int, labels: [String]) throws {
    self.labels = labels
    let names: [String]
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      throw unwritable(folder)
    }
    let now = Date.now
    let name = EventFileName.next(after: names, at: now, host: host, process: getpid())
    file = try GrowingFile(path: folder + "/" + name, keeping: 0)
    try file.append(try EventRecord.fileVersion(at: now))
    try file.append(try EventRecord.sessionStart(step: firstStep, at: now))
  }

  /// Appends what a record has to plot, now or as soon as the file system takes it.
  ///
  /// - Throws: `TrainingError` when more is waiting than can be kept.
  func append(_ record: some RunRecord) throws {
    let scalars = try record.scalars(labels: labels)
    guard !scalars.isEmpty else { return }
    try file.append(try EventRecord.scalars(scalars, step: record.step, at: .now))
  }
}
