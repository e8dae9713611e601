import Foundation

/// Threads that a rank should use when it is not told: the cores that the launcher bound it to, or
/// its share of the machine where it is not bound.
///
/// - Parameter localRanks: Ranks on this machine.
package func defaultThreads(localRanks: Int) -> Int {
  func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
  return defaultThreads(
    localRanks: localRanks, status: text("/proc/self/status"),
    online: text("/sys/devices/system/cpu/online"))
}

/// - Parameters:
///   - status: Of /proc/self/status, because glibc declares `sched_getaffinity` for GNU sources only
///     and Swift does not see it. Its mask has processors that are offline, too.
///   - online: Of /sys/devices/system/cpu/online; nil where the system does not show it.
func defaultThreads(localRanks: Int, status: String?, online: String?) -> Int {
  let online =
    online.map { processors($0) } ?? Set(0..<max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  let line = status?.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
  let allowed = processors(line?.split(separator: ":").last ?? "").intersection(online)
  return allowed.isEmpty || allowed == online
    ? max(1, online.count / localRanks) : allowed.count
}

/// Of a list such as `0-3,8`.
private func processors(_ list: some StringProtocol) -> Set<Int> {
  let parts = list.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: ",")
  return parts.reduce(into: []) { found, part in
    let ends = part.split(separator: "-").compactMap { Int($0) }
    if let first = ends.first, let last = ends.last, first <= last { found.formUnion(first...last) }
  }
}
