import Glibc
import Manifests

/// A checkpoint of a run folder.
package struct RunCheckpoint: Sendable, Equatable {
  /// Optimizer steps taken.
  package let step: Int
  package let path: String
}

/// The folder of a training run, as far as its checkpoints are concerned.
package struct RunFolder: Sendable {
  /// The links of a run folder to its checkpoints.
  package enum Link: String, Sendable, CaseIterable {
    case best, last
  }

  package let path: String

  /// Nothing is opened or created.
  package init(path: String) { self.path = withoutTrailingSlash(path) }

  /// Where the checkpoint of a step lies: `RUN/checkpoint-STEP`.
  package func checkpointPath(step: Int) -> String { "\(path)/\(Self.name(step))" }

  /// The checkpoints, newest first: folders named `checkpoint-STEP` only.
  ///
  /// Hidden folders, rejected ones and links are passed over. Nothing is opened.
  package func checkpoints() throws -> [RunCheckpoint] {
    try entries(ofFolder: path).compactMap { entry -> RunCheckpoint? in
      guard entry.kind == .folder, entry.name.hasPrefix("checkpoint-"),
        let step = Int(entry.name.dropFirst("checkpoint-".count)),
        step >= 0, Self.name(step) == entry.name
      else { return nil }
      return RunCheckpoint(step: step, path: checkpointPath(step: step))
    }.sorted { $0.step > $1.step }
  }

  /// Whether checkpoints were set aside here.
  package func hasRejected() throws -> Bool {
    try entries(ofFolder: path).contains { $0.name.hasPrefix("rejected-") }
  }

  /// Renames a checkpoint that does not verify to `rejected-STEP`, or `rejected-STEP-n` where there is
  /// one already, and removes the links that point at it.
  /// - Returns: its new path.
  package func setAside(_ checkpoint: RunCheckpoint) throws -> String {
    let taken = Set(try entries(ofFolder: path).map(\.name))
    let plain = "rejected-\(checkpoint.step)"
    let names = [plain] + (1...taken.count + 1).map { "\(plain)-\($0)" }
    let free = "\(path)/\(names.first { !taken.contains($0) } ?? plain)"
    guard rename(checkpoint.path, free) == 0 else {
      throw CheckpointError(
        place: checkpoint.path, expected: "to rename it to \(free)",
        found: String(cString: strerror(errno)), remedy: "check the permissions of the folder")
    }
    for link in Link.allCases
    where linkTarget("\(path)/\(link.rawValue)") == Self.name(checkpoint.step) {
      unlink("\(path)/\(link.rawValue)")
    }
    return free
  }

  /// Points `best` or `last` at a checkpoint, in one step: readers see the old one or the new one.
  package func point(_ link: Link, atStep step: Int) throws {
    try pointLink(link.rawValue, inFolder: path, at: Self.name(step))
  }

  /// The step that `best` or `last` points at; nil when there is no such checkpoint.
  package func step(of link: Link) throws -> Int? {
    guard let target = linkTarget("\(path)/\(link.rawValue)") else { return nil }
    return try checkpoints().first { Self.name($0.step) == target }?.step
  }

  /// Removes old checkpoints; to be called once a new one is committed.
  ///
  /// A checkpoint is renamed to a hidden name before it is emptied, so that a kill in between leaves
  /// no folder that looks whole.
  /// - Parameters:
  ///   - count: how many of the newest stay, at least 1; those of `best` and `last` always stay.
  ///   - isGood: whether a checkpoint counts; others neither count nor are removed.
  /// - Returns: the steps that are gone.
  @discardableResult
  package func removeOldCheckpoints(
    keeping count: Int, where isGood: (RunCheckpoint) -> Bool = { _ in true }
  ) throws -> [Int] {
    precondition(count >= 1, "the newest checkpoint always stays")
    let linked = try Link.allCases.compactMap { try step(of: $0) }
    let old = try checkpoints().filter(isGood).dropFirst(count)
      .filter { !linked.contains($0.step) }
    for checkpoint in old { try removeFolderWhole(checkpoint.path) }
    return old.map(\.step)
  }

  /// Removes the hidden folders and links of killed processes. Only for the process that holds the
  /// run's lock: another one may be writing there.
  /// - Returns: the hidden names that are gone.
  @discardableResult
  package func removeLeftovers() throws -> [String] {
    try Manifests.removeLeftovers(inFolder: path)
  }

  private static func name(_ step: Int) -> String { "checkpoint-\(step)" }
}
