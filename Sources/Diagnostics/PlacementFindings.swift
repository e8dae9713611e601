// Which cores the ranks of a machine were bound to, against the threads that they are to compute with.

extension Node {
  var placementFindings: [Finding] {
    let overcommitted = overcommittedFindings
    return ranks.flatMap(threadFindings) + overcommitted + quotaFindings
      + (overcommitted.isEmpty ? idleFindings + unboundFindings : [])
  }

  private func threadFindings(_ rank: RankFacts) -> [Finding] {
    let cores = rank.cores
    let physical = cores.physicalCount(cores.allowed)
    guard rank.threads > physical else { return [] }
    let isBound = cores.isBound
    if rank.threads <= cores.allowed.count {
      return [
        Finding(
          .warning, "threads-share-cores", [rank],
          expected: "a core for each of \(counted(rank.threads, "thread"))",
          found: "\(counted(physical, "core")) of \(cores.allowed.count) hardware threads",
          remedy: "--threads \(physical): two threads of one core compute no faster than one")
      ]
    }
    return [
      Finding(
        .error, "threads-exceed-binding", [rank],
        expected: "a core for each of \(counted(rank.threads, "thread")) of the rank",
        found: "\(counted(physical, "core"))" + (isBound ? " that it is bound to" : ""),
        remedy: isBound
          ? "mpirun --map-by slot:PE=\(rank.threads) --bind-to core, or --threads \(physical)"
          : "--threads \(physical)")
    ]
  }

  /// Ranks that are bound to the same cores, or more of them than there are cores.
  private var overcommittedFindings: [Finding] {
    guard ranks.count > 1 else { return [] }
    let available = first.cores.physicalCount(processors)
    guard threads > available else { return sharedFindings }
    let bound = ranks.contains { $0.cores.isBound }
    let perRank = max(1, first.budget / ranks.count)
    return [
      Finding(
        .error, "cores-overcommitted", ranks,
        expected: "\(counted(threads, "core")) for \(ranks.count) ranks of "
          + "\(counted(ranks.map(\.threads).max() ?? 1, "thread"))",
        found: "\(counted(available, "core")), processors \(processors)"
          + (bound ? ", that they are bound to" : ""),
        remedy: ranks.count > first.budget
          ? "at most \(counted(first.budget, "rank")) on this machine"
          : "launch/local -n \(ranks.count) --threads \(perRank), or mpirun --map-by "
            + "slot:PE=\(perRank) --bind-to core without a --cpu-set or taskset of one's own")
    ]
  }

  /// Bound ranks that meet on some cores while others are theirs alone.
  private var sharedFindings: [Finding] {
    var sharing: [Int: RankFacts] = [:]
    var shared = CPUSet([])
    for (index, a) in ranks.enumerated() where a.cores.isBound {
      for b in ranks[(index + 1)...] where b.cores.isBound {
        let common = a.cores.allowed.intersection(b.cores.allowed)
        let room = a.cores.physicalCount(a.cores.allowed.union(b.cores.allowed))
        guard !common.isEmpty, a.threads + b.threads > room else { continue }
        shared = shared.union(common)
        (sharing[a.rank], sharing[b.rank]) = (a, b)
      }
    }
    guard !sharing.isEmpty else { return [] }
    return [
      Finding(
        .error, "ranks-share-cores", Array(sharing.values),
        expected: "cores of its own for each rank",
        found: "ranks bound to the same processors \(shared)",
        remedy: "mpirun --map-by slot:PE=\(first.threads) --bind-to core")
    ]
  }

  private var quotaFindings: [Finding] {
    guard let quota = first.cores.quota, Double(threads) > quota + 0.05 else { return [] }
    return [
      Finding(
        .error, "time-quota", ranks,
        expected: "\(decimal(Double(threads), 0)) cores' worth of time",
        found: "a control group's limit of \(decimal(quota, 2))",
        remedy: "use \(counted(max(1, Int(quota)), "thread")) in all, or raise the container's "
          + "limit (--cpus, resources.limits.cpu)")
    ]
  }

  private var idleFindings: [Finding] {
    let budget = first.budget
    let used = min(threads, first.cores.physicalCount(processors))
    guard used < budget else { return [] }
    let isBound = ranks.allSatisfy { $0.cores.isBound }
    return [
      Finding(
        .warning, "idle-cores", ranks, expected: "work for \(counted(budget, "core"))",
        found: "\(counted(threads, "thread"))"
          + (isBound ? ", bound to processors \(processors)" : ""),
        remedy: ranks.count == 1
          ? "--threads \(budget)"
            + (isBound ? ", or start without the binding" : ", or more ranks")
          : "mpirun --map-by slot:PE=\(max(1, budget / ranks.count)) --bind-to core, and no --threads"
      )
    ]
  }

  private var unboundFindings: [Finding] {
    let loose = ranks.filter { !$0.cores.isBound }
    guard ranks.count > 1, !loose.isEmpty else { return [] }
    let spread = first.cores.numaCount(first.cores.usable)
    return [
      Finding(
        spread > 1 ? .warning : .note, "not-bound", loose,
        expected: "ranks bound to cores of their own",
        found: "ranks that may move between \(first.cores.usable.count) processors"
          + (spread > 1 ? " of \(spread) NUMA nodes" : ""),
        remedy: "mpirun --map-by slot:PE=\(first.threads) --bind-to core; "
          + "unbound is right where several jobs share the machine")
    ]
  }
}
