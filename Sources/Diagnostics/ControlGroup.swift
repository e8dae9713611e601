/// The limits that the process's control groups set, of either version; the tightest on the way from its
/// own group to the root.
struct ControlGroup: Equatable {
  /// Cores' worth of time.
  private(set) var quota: Double?
  /// Of memory, in bytes.
  private(set) var memoryLimit: Int?
  /// What of it is in use, without the files' pages that the kernel takes back first.
  private(set) var memoryUsed: Int?
  /// Processors that the group may use.
  private(set) var processors: CPUSet?

  init(_ files: SystemFiles) {
    // NUMBER:CONTROLLERS:PATH; version 2 is number 0 without controllers.
    for line in files.text("/proc/self/cgroup")?.split(separator: "\n") ?? [] {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",").map(String.init)
      let paths = Self.ancestors(of: String(fields[2]))
      if fields[0] == "0", controllers.isEmpty {
        for path in paths { readUnified(files, "/sys/fs/cgroup" + path) }
      }
      for controller in controllers {
        for path in paths { readLegacy(files, controller, "/sys/fs/cgroup/\(controller)" + path) }
      }
    }
  }

  private mutating func readUnified(_ files: SystemFiles, _ group: String) {
    let words = files.text(group + "/cpu.max")?.split(separator: " ") ?? []
    if words.count == 2, let time = Double(words[0]), let period = Double(words[1]), period > 0 {
      limitTime(time / period)
    }
    if let limit = files.number(group + "/memory.max") {
      limitMemory(limit, used: Self.used(files, group, of: "memory.current", less: "inactive_file"))
    }
    processors = processors ?? files.set(group + "/cpuset.cpus.effective")
  }

  private mutating func readLegacy(_ files: SystemFiles, _ controller: String, _ group: String) {
    switch controller {
    case "cpu":
      if let time = files.number(group + "/cpu.cfs_quota_us"), time > 0,
        let period = files.number(group + "/cpu.cfs_period_us"), period > 0
      {
        limitTime(Double(time) / Double(period))
      }
    case "memory":
      // No limit is written as the largest multiple of a page.
      if let limit = files.number(group + "/memory.limit_in_bytes"), limit < 1 << 60 {
        limitMemory(
          limit,
          used: Self.used(files, group, of: "memory.usage_in_bytes", less: "total_inactive_file"))
      }
    case "cpuset":
      processors =
        processors ?? files.set(group + "/cpuset.effective_cpus")
        ?? files.set(group + "/cpuset.cpus")
    default: break
    }
    if let found = processors, found.isEmpty { processors = nil }
  }

  /// Bytes in use as kubelet counts them: shards that were just copied are in the count of all pages,
  /// and are no lack of memory.
  private static func used(
    _ files: SystemFiles, _ group: String, of total: String, less cache: String
  ) -> Int? {
    let lines = files.text(group + "/memory.stat")?.split(separator: "\n") ?? []
    let words = lines.map { $0.split(separator: " ") }.first { $0.count == 2 && $0[0] == cache }
    let cached = words.flatMap { Int($0[1]) } ?? 0
    return files.number("\(group)/\(total)").map { max(0, $0 - cached) }
  }

  private mutating func limitTime(_ cores: Double) { quota = min(quota ?? cores, cores) }

  private mutating func limitMemory(_ bytes: Int, used: Int?) {
    guard bytes < memoryLimit ?? .max else { return }
    memoryLimit = bytes
    memoryUsed = used
  }

  /// `/a/b` gives `/a/b`, `/a` and the root's empty path: in a container the group's own may not be
  /// visible.
  private static func ancestors(of path: String) -> [String] {
    let parts = path.split(separator: "/")
    return (0...parts.count).reversed().map { count in
      parts.prefix(count).map { "/" + $0 }.joined()
    }
  }
}
