import Collectives

/// What a person reads of an examination.
package struct ExaminationText {
  private let examination: Examination
  private static let nameWidth = 12

  package init(_ examination: Examination) { self.examination = examination }

  package var lines: [String] {
    let nodes = examination.nodes
    let count = examination.ranks.count
    let title =
      count == 1
      ? "lockstep doctor on \(nodes[0].host)"
      : "lockstep doctor on \(counted(nodes.count, "host")), \(count) ranks"
    return [title, ""] + machines + table + links + findings + launch
  }

  /// The facts of machines; of machines that have the same ones, once.
  private var machines: [String] {
    var groups: [(hosts: [String], lines: [String])] = []
    for node in examination.nodes {
      let lines = facts(node.first)
      if let same = groups.firstIndex(where: { $0.lines == lines }) {
        groups[same].hosts.append(node.host)
      } else {
        groups.append(([node.host], lines))
      }
    }
    return groups.flatMap { group in
      [line("machine", group.hosts.joined(separator: ", "))] + group.lines + [""]
    } + examination.omitted.map { line("left out", $0) }
      + (examination.omitted.isEmpty ? [] : [""])
  }

  private func facts(_ rank: RankFacts) -> [String] {
    let memory = rank.memory
    var lines = [
      line("system", "\(rank.kernel), \(rank.libc)"), processor(rank), cores(rank.cores),
      line(
        "memory",
        "\(size(memory.free)) free of \(size(memory.total))"
          + (memory.limit.map { ", control group's limit \(size($0))" } ?? "")
          + (memory.hugePages.map { ", huge pages \($0)" } ?? "")
          + (memory.reservedHugePages > 0 ? ", \(memory.reservedHugePages) reserved" : "")),
      line(
        "/dev/shm",
        rank.sharedMemory.map { "\(size($0.free)) free of \(size($0.total))" } ?? "none"),
      messaging(rank),
    ]
    if let blas = rank.blas {
      lines.append(
        line(
          "BLAS",
          blas.configuration.split(separator: " ").prefix(2).joined(separator: " ")
            + ", kernels for \(blas.coreType), \(counted(blas.threads, "thread"))"
            + " (benchmarks only)"))
    }
    lines.append(
      line(
        "HDF5",
        rank.hdf5.number + (rank.hdf5.isThreadSafe ? ", thread-safe" : "")
          + "; shards are read without locks"))
    if let output = rank.output {
      lines.append(
        line(
          "output",
          "\(output.volume.path): \(output.volume.type), \(size(output.volume.free)) free of "
            + "\(size(output.volume.total)), "
            + (output.refusal ?? (output.lockRefusal.map { "no locks: \($0)" } ?? "locks work"))))
    }
    lines.append(line("started by", started(rank.launcher)))
    for (name, value) in rank.launcher.variables.sorted(by: { $0.key < $1.key }) {
      lines.append(line("", "\(name)=\(value)"))
    }
    return lines
  }

  private func processor(_ rank: RankFacts) -> String {
    let processor = rank.processor
    let features = [
      (processor.hasAVX2, "AVX2"), (processor.hasFMA, "FMA"), (processor.hasAVX512, "AVX-512"),
    ].map { ($0.0 ? "" : "no ") + $0.1 }
    let kernels =
      switch processor.vectors {
      case .avx512: "AVX-512 kernels"
      case .avx2: "AVX2 kernels"
      case .generic: "portable kernels"
      case .none: "no kernels that run here"
      }
    return line(
      "processor",
      (processor.name.isEmpty ? "unnamed" : processor.name) + ": "
        + features.joined(separator: ", ") + "; " + kernels)
  }

  private func cores(_ cores: CoreFacts) -> String {
    let physical = cores.physicalCount(cores.online)
    var parts = [
      counted(physical, "core"), counted(cores.online.count, "hardware thread"),
      counted(cores.sockets, "socket"), counted(max(1, cores.numaNodes.count), "NUMA node"),
    ]
    if cores.usable != cores.online { parts.append("the job may use \(cores.usable)") }
    if examination.ranks.count == 1 { parts.append("this process may use \(cores.allowed)") }
    if let quota = cores.quota { parts.append("time of \(decimal(quota, 2)) cores") }
    if let governor = cores.governor { parts.append("governor \(governor)") }
    return line("cores", parts.joined(separator: ", "))
  }

  private func messaging(_ rank: RankFacts) -> String {
    let messaging = rank.messaging
    var parts = [messaging.version]
    if let matching = messaging.matching {
      parts.append("\(matching) over \(messaging.transports.joined(separator: ", "))")
    }
    if let mechanism = messaging.singleCopy { parts.append("single copy by \(mechanism)") }
    if let reads = rank.reach.readsPeers {
      parts.append(
        reads ? "ranks read each other's memory" : "ranks cannot read each other's memory")
    }
    if let shares = rank.reach.sharesBuffers {
      parts.append(shares ? "gradients in shared memory" : "gradients by messages")
    }
    if let scope = rank.ptraceScope { parts.append("ptrace_scope \(scope)") }
    return line("MPI", parts.joined(separator: ", "))
  }

  private func started(_ launcher: LauncherFacts) -> String {
    let name = launcher.name.map { "\($0), \(counted(launcher.size, "rank"))" } ?? "no launcher"
    return name
      + (launcher.batch.map { batch in
        "; \(batch.system) job \(batch.job)"
          + (batch.nodes.map { ", \(counted($0, "node"))" } ?? "")
          + (batch.tasks.map { ", \(counted($0, "task"))" } ?? "")
          + (batch.coresPerTask.map { " of \(counted($0, "core"))" } ?? "")
      } ?? "")
  }

  private var launch: [String] {
    let launch = examination.launch
    if examination.ranks.contains(where: { $0.processor.vectors == .none }) {
      return ["", "no training here: this build does not run on the processor"]
    }
    return [
      "",
      "start training here with \(counted(launch.ranks, "rank")) of "
        + "\(counted(launch.threads, "thread"))"
        + (launch.hosts > 1 ? " on \(launch.hosts) hosts, \(launch.ranksPerHost) on each:" : ":"),
      "", "  " + launch.command,
    ]
  }
}

// MARK: - Ranks, links, findings

extension ExaminationText {
  /// A row a rank: where it is, what it is bound to, and how fast its cores are.
  private var table: [String] {
    let ranks = examination.ranks
    let hasSpeed = ranks.contains { $0.speed != nil }
    guard ranks.count > 1 || hasSpeed else { return [] }
    var rows = [["host", "rank", "processors", "bound", "threads"]]
    if hasSpeed { rows[0] += ["GFLOP/s", "GB/s"] }
    for rank in examination.nodes.flatMap(\.ranks) {
      var row = [
        rank.host, "\(rank.rank)", rank.cores.allowed.description,
        rank.cores.isBound ? "yes" : "no", "\(rank.threads)",
      ]
      if hasSpeed {
        row += [
          rank.speed.map { decimal($0.gflops, 1) } ?? "-",
          rank.speed.map { decimal($0.gigabytesPerSecond, 1) } ?? "-",
        ]
      }
      rows.append(row)
    }
    return aligned(rows) + [""]
  }

  private var links: [String] {
    guard !examination.links.isEmpty else { return [] }
    let host = Dictionary(
      examination.ranks.map { ($0.rank, $0.host) }, uniquingKeysWith: { a, _ in a })
    var rows = [["from", "to", "latency us", "rate"]]
    for link in examination.links {
      rows.append([
        "\(host[link.from] ?? "") rank \(link.from)", "\(host[link.to] ?? "") rank \(link.to)",
        decimal(link.microseconds, 1), rate(link.gigabytesPerSecond),
      ])
    }
    var lines = aligned(rows)
    if let sum = examination.allReduce {
      lines.append(
        "all-reduce of \(size(sum.bytes)) over \(examination.ranks.count) ranks: "
          + "\(decimal(sum.milliseconds, 1)) ms, \(rate(sum.gigabytesPerSecond))")
      // Ranks of one host exchange gradients in memory, without messages.
      if let needs = examination.needs, examination.nodes.count > 1 {
        let milliseconds = Double(needs.gradient) / max(sum.gigabytesPerSecond, 1e-9) / 1e6
        lines.append(
          "the model's gradient, \(size(needs.gradient)), at that rate: "
            + "\(decimal(milliseconds, 0)) ms a step")
      }
    }
    for clock in examination.clocks {
      lines.append(
        "clock of \(host[clock.rank] ?? ""): \(clock.seconds < 0 ? "-" : "+")"
          + "\(decimal(1000 * abs(clock.seconds), 2)) ms of rank 0's, "
          + "give or take \(decimal(1000 * clock.uncertainty, 2)) ms")
    }
    return lines + [""]
  }

  private var findings: [String] {
    guard !examination.findings.isEmpty else { return ["nothing is wrong"] }
    return examination.findings.flatMap { finding in
      [
        line(finding.severity.rawValue, "\(finding.kind)\(place(finding))"),
        line("", "expected \(finding.expected)"), line("", "found \(finding.found)"),
        line("", "remedy: \(finding.remedy)"),
      ]
    }
  }

  private func place(_ finding: Finding) -> String {
    guard examination.ranks.count > 1 else { return "" }
    let ranks = CPUSet(finding.ranks).description
    return
      " on \(finding.hosts.joined(separator: ", ")), rank\(finding.ranks.count == 1 ? "" : "s") \(ranks)"
  }

  private func line(_ name: String, _ value: String) -> String {
    name.padding(to: Self.nameWidth) + value
  }

  /// Columns as wide as their widest cell; all but the first two to the right.
  private func aligned(_ rows: [[String]]) -> [String] {
    rows.map { row in
      row.indices.map { column in
        let width = rows.map { $0[column].count }.max() ?? 0
        let space = String(repeating: " ", count: width - row[column].count)
        return column < 2 ? row[column] + space : space + row[column]
      }.joined(separator: "  ")
    }
  }
}

extension String {
  fileprivate func padding(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
