/// The processors of a machine, and which of them this process may run on.
package struct CoreFacts: Sendable, Equatable, Codable {
  package struct NUMANode: Sendable, Equatable, Codable {
    package let number: Int
    package let processors: CPUSet

    package init(number: Int, processors: CPUSet) {
      self.number = number
      self.processors = processors
    }
  }

  /// Of the machine.
  package var online: CPUSet
  /// Those that the job may use at all: the control group's.
  package var usable: CPUSet
  /// This process's affinity mask, as the launcher or taskset has bound it.
  package var allowed: CPUSet
  /// Processors that are threads of one core, where cores have several.
  package var siblings: [CPUSet]
  package var sockets: Int
  package var numaNodes: [NUMANode]
  /// Cores' worth of time that the control group has; nil without such a limit.
  package var quota: Double?
  /// Of frequencies, e.g. `performance`; nil where the system does not show it.
  package var governor: String?

  package init(
    online: CPUSet, usable: CPUSet, allowed: CPUSet, siblings: [CPUSet] = [], sockets: Int = 1,
    numaNodes: [NUMANode] = [], quota: Double? = nil, governor: String? = nil
  ) {
    self.online = online
    self.usable = usable
    self.allowed = allowed
    self.siblings = siblings
    self.sockets = sockets
    self.numaNodes = numaNodes
    self.quota = quota
    self.governor = governor
  }

  enum CodingKeys: String, CodingKey {
    case online, usable, allowed, siblings, sockets, quota, governor
    case numaNodes = "numa_nodes"
  }

  /// Whether the process is held to fewer processors than its job may use.
  package var isBound: Bool {
    allowed != usable && allowed.intersection(usable).count < usable.count
  }

  /// Physical cores that processors of `set` belong to.
  package func physicalCount(_ set: CPUSet) -> Int {
    let paired = siblings.flatMap(\.numbers)
    let alone = set.numbers.filter { !paired.contains($0) }.count
    return alone + siblings.filter { !$0.intersection(set).isEmpty }.count
  }

  /// NUMA nodes that `set` reaches into, at least 1.
  package func numaCount(_ set: CPUSet) -> Int {
    max(1, numaNodes.count { !$0.processors.intersection(set).isEmpty })
  }

  /// Physical cores that the system lets all ranks of this job have on the machine.
  package var budget: Int {
    let cores = physicalCount(usable)
    return max(1, min(cores, quota.map { Int($0) } ?? cores))
  }
}

extension CoreFacts {
  init(_ files: SystemFiles, _ group: ControlGroup) {
    let folder = "/sys/devices/system/cpu"
    let allowed = files.field("Cpus_allowed_list", of: "/proc/self/status").flatMap { CPUSet($0) }
    let online = files.set(folder + "/online") ?? allowed ?? CPUSet([0])
    var (siblings, sockets): (Set<String>, Set<Int>) = ([], [])
    for number in online.numbers {
      let topology = "\(folder)/cpu\(number)/topology"
      if let list = files.text(topology + "/thread_siblings_list") { siblings.insert(list) }
      if let socket = files.number(topology + "/physical_package_id") { sockets.insert(socket) }
    }
    let nodes = "/sys/devices/system/node"
    let usable = group.processors.map { online.intersection($0) }
    self.init(
      online: online, usable: usable.flatMap { $0.isEmpty ? nil : $0 } ?? online,
      allowed: allowed.map { online.intersection($0) } ?? online,
      siblings: siblings.compactMap { CPUSet($0) }.filter { $0.count > 1 }
        .sorted { $0.numbers[0] < $1.numbers[0] },
      sockets: max(1, sockets.count),
      numaNodes: files.numbered("node", in: nodes).compactMap { number in
        files.set("\(nodes)/node\(number)/cpulist").map { NUMANode(number: number, processors: $0) }
      },
      quota: group.quota,
      governor: files.text("\(folder)/cpu\(online.numbers.first ?? 0)/cpufreq/scaling_governor"))
  }
}
