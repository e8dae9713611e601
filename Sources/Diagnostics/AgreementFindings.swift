import Collectives

// What has to be the same on all ranks, or should be.

/// Differences between ranks that change results, break the job, or let the faster ones wait.
func agreementFindings(_ ranks: [RankFacts]) -> [Finding] {
  func differing(
    _ severity: Finding.Severity, _ kind: String, _ what: String, remedy: String,
    _ value: (RankFacts) -> String
  ) -> [Finding] {
    let values = ranks.map(value)
    let counts = values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    // The commonest stands; of equally common ones that of the lowest rank.
    guard counts.count > 1,
      let usual = values.max(by: { (counts[$0] ?? 0) < (counts[$1] ?? 0) })
    else { return [] }
    let common = values.first { counts[$0] == counts[usual] } ?? usual
    return values.indices.filter { values[$0] != common }.map { index in
      Finding(
        severity, kind, [ranks[index]], expected: "\(what) as on the other ranks: \(common)",
        found: values[index], remedy: remedy)
    }
  }
  return differing(
    .error, "program-differs", "the program",
    remedy: "install one build on every host, at one path"
  ) { "sha256 " + $0.program.prefix(12) }
    + differing(
      .error, "mpi-differs", "the MPI library", remedy: "install one version on every host"
    ) { $0.messaging.version }
    + differing(
      .warning, "libc-differs", "the C library",
      remedy: "one system image on every host: its tanh and pow decide last bits"
    ) { $0.libc }
    + differing(
      .warning, "hdf5-differs", "HDF5", remedy: "install one version on every host"
    ) { $0.hdf5.number }
    + differing(
      .warning, "vectors-differ", "matrix kernels",
      remedy: "hosts of one kind: results are the same bits, but the others wait"
    ) { $0.processor.vectors.rawValue }
    + differing(
      .note, "processor-differs", "the processor",
      remedy: "none needed: results are the same bits; the slowest sets the pace"
    ) { $0.processor.name }
    + differing(
      .warning, "threads-differ", "threads", remedy: "the same --threads and binding for every rank"
    ) { "\($0.threads)" }
}

/// Seconds that clocks may differ by before records and traces of several hosts cannot be put together.
private let mostSkew = 1.0

func clockFindings(_ clocks: [ClockSkew], _ ranks: [RankFacts]) -> [Finding] {
  clocks.filter { abs($0.seconds) - $0.uncertainty > mostSkew }.map { clock in
    Finding(
      .warning, "clock-skew", ranks.filter { $0.rank == clock.rank },
      expected: "the time of rank 0, within \(decimal(mostSkew, 0)) s",
      found: "\(decimal(abs(clock.seconds), 1)) s \(clock.seconds > 0 ? "ahead" : "behind")",
      remedy:
        "start chrony or systemd-timesyncd on that host: logs and time limits disagree until then")
  }
}

/// Ranks whose cores give much less than those of the others, all computing at the same time.
func speedFindings(_ nodes: [Node]) -> [Finding] {
  let all = nodes.flatMap(\.ranks).compactMap { $0.speed.map { $0.gflops } }
  guard all.count > 1, let usual = median(all) else { return [] }
  return nodes.flatMap { node in
    // A machine is slow with all of its ranks, for one can be late by itself.
    let own = node.ranks.compactMap { rank in rank.speed.map { $0.gflops } }
    guard nodes.count > 1, let best = own.max(), best < 0.6 * usual else { return [Finding]() }
    return [
      Finding(
        .warning, "slow-host", node.ranks,
        expected: "about \(decimal(usual, 0)) GFLOP/s a rank, as others have",
        found: "\(decimal(best, 0)) GFLOP/s",
        remedy: "look for other jobs, a power limit or a shared processor on \(node.host), "
          + "or leave it out: every step waits for it")
    ]
  }
}
