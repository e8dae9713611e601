/// The memory of a machine, and what of it this job may still take. All in bytes.
package struct MemoryFacts: Sendable, Equatable, Codable {
  package var total: Int
  /// What the kernel can give without swapping.
  package var available: Int
  /// The control group's limit; nil without one.
  package var limit: Int?
  /// What the group uses of its limit.
  package var used: Int?
  /// Of transparent huge pages: `always`, `madvise` or `never`; nil where the system does not show it.
  package var hugePages: String?
  /// Pages of 2 MB or more that are set aside.
  package var reservedHugePages: Int

  package init(
    total: Int, available: Int, limit: Int? = nil, used: Int? = nil, hugePages: String? = nil,
    reservedHugePages: Int = 0
  ) {
    self.total = total
    self.available = available
    self.limit = limit
    self.used = used
    self.hugePages = hugePages
    self.reservedHugePages = reservedHugePages
  }

  enum CodingKeys: String, CodingKey {
    case total, available, limit, used
    case hugePages = "transparent_huge_pages"
    case reservedHugePages = "reserved_huge_pages"
  }

  /// What the ranks of this machine can take together.
  package var free: Int {
    guard let limit else { return available }
    return min(available, max(0, limit - (used ?? 0)))
  }
}

extension MemoryFacts {
  init(_ files: SystemFiles, _ group: ControlGroup) {
    // "MemTotal:       24000000 kB"
    func bytes(_ name: String) -> Int {
      let words = files.field(name, of: "/proc/meminfo")?.split(separator: " ") ?? []
      return (words.first.flatMap { Int($0) } ?? 0) * (words.count > 1 ? 1024 : 1)
    }
    // "always [madvise] never"
    let modes = files.text("/sys/kernel/mm/transparent_hugepage/enabled")
    let mode = modes.map { $0.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" } }
    self.init(
      total: bytes("MemTotal"), available: bytes("MemAvailable"), limit: group.memoryLimit,
      used: group.memoryUsed, hugePages: mode.map(String.init),
      reservedHugePages: bytes("HugePages_Total"))
  }
}
