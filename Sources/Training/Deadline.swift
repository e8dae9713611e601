import Foundation

/// The moment at which a job will be ended from outside.
package struct Deadline: Sendable, Equatable {
  /// What set it, for a message.
  package let source: String
  /// Seconds since 1970: batch systems give the time of day.
  private let end: Double

  init(source: String, end: Double) {
    self.source = source
    self.end = end
  }

  /// The earliest of a time limit, counted from now, and of the ends that the batch system announces:
  /// SLURM_JOB_END_TIME, and LOCKSTEP_END_TIME for those that set none, both in seconds since 1970.
  ///
  /// - Throws: `TrainingError` for a value that is no number.
  package static func find(
    timeLimit: Duration?, environment: [String: String]
  ) throws -> Deadline? {
    var found: [Deadline] = []
    if let timeLimit {
      let end = Date().timeIntervalSince1970 + timeLimit.seconds
      found.append(Deadline(source: "--time-limit", end: end))
    }
    for name in ["SLURM_JOB_END_TIME", "LOCKSTEP_END_TIME"] {
      guard let text = environment[name], !text.isEmpty else { continue }
      guard let end = Double(text), end.isFinite, end > 0 else {
        throw TrainingError(
          .usage, "environment variable \(name)", expected: "seconds since 1970", found: text,
          remedy: "unset it, or set it to $(date -d END +%s)")
      }
      found.append(Deadline(source: name, end: end))
    }
    return found.min { $0.end < $1.end }
  }

  /// Negative once it has passed.
  var remaining: Duration { .seconds(end - Date().timeIntervalSince1970) }
}
