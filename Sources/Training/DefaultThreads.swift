import Foundation

/// Threads that a rank should use when it is not told: the cores that the launcher bound it to, or
/// its share of the machine where it is not bound.
///
/// - Parameter localRanks: Ranks on this machine.
package func defaultThreads(localRanks: Int) -> Int {
  let online = max(1, ProcessInfo.processInfo.processorCount)
  let bound = allowedCores() ?? online
  return bound < online ? bound : max(1, online / localRanks)
}

/// The cores that this process may run on. Read from /proc, because glibc declares
/// `sched_getaffinity` for GNU sources only and Swift does not see it.
private func allowedCores() -> Int? {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
  else { return nil }
  let mask = line.drop { $0 != "\t" }.dropFirst()
  let count = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
  return count > 0 ? count : nil
}
