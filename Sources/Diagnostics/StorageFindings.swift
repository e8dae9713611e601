// The folder that runs are to lie in.

extension Node {
  /// Checkpoints that a run may have at once with --keep 2: two, the best, and one being written.
  private static let checkpoints = 4
  private static let leastRoom = 1_000_000_000

  /// Rank 0 writes; the others have to see its folder, but what they find is told by ``RankFacts`` alone.
  func storageFindings(_ needs: Needs?) -> [Finding] {
    guard let rank = ranks.first(where: { $0.rank == 0 }) else { return [] }
    guard let output = rank.output else {
      return [
        Finding(
          .error, "output-folder", [rank], expected: "a folder for runs",
          found: "none that can be read",
          remedy: "name one with --output")
      ]
    }
    let volume = output.volume
    var findings: [Finding] = []
    if let refusal = output.refusal {
      findings.append(
        Finding(
          .error, "output-folder", [rank], expected: "to make a file in \(volume.path)",
          found: refusal, remedy: "another --output, or the folder's permissions"))
    }
    if let refusal = output.lockRefusal {
      findings.append(
        Finding(
          .error, "file-locking", [rank],
          expected: "to lock a file in \(volume.path) (flock), as a run locks RUN/lock",
          found: refusal,
          remedy:
            "mount the \(volume.type) file system with locks (Lustre: -o flock; NFS: not nolock), "
            + "or another --output"))
    }
    let needed = needs.map { Self.checkpoints * $0.checkpoint } ?? Self.leastRoom
    if volume.free < needed {
      findings.append(
        Finding(
          needs.map { volume.free < 2 * $0.checkpoint } ?? false ? .error : .warning, "disk",
          [rank],
          expected: size(needed)
            + (needs == nil
              ? " for checkpoints" : " for \(Self.checkpoints) checkpoints of this model"),
          found: "\(size(volume.free)) free in \(volume.path)",
          remedy: "make room, another --output, or train --keep 1"))
    }
    return findings
  }
}
