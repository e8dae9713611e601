/// How to start training where this was run.
package struct LaunchPlan: Sendable, Equatable, Encodable {
  package let ranks: Int
  package let hosts: Int
  package let ranksPerHost: Int
  /// Of each rank.
  package let threads: Int
  /// For a shell; what is written in capitals is to be filled in.
  package let command: String

  enum CodingKeys: String, CodingKey {
    case ranks, hosts, threads, command
    case ranksPerHost = "ranks_per_host"
  }

  /// - Parameter nodes: Those that the ranks were found on, at least one.
  package init(_ nodes: [Node]) {
    let first = nodes[0].first
    let batch = first.launcher.batch
    let hosts = max(nodes.count, batch?.nodes ?? 1)
    let budget = nodes.map(\.first.budgetOfJob).min() ?? 1
    let asked = batch?.tasks.map { max(1, $0 / hosts) }
    let ranksPerHost = min(asked ?? Self.ranksPerHost(budget, first.cores), budget)
    threads = max(1, min(batch?.coresPerTask ?? .max, budget / ranksPerHost))
    self.hosts = hosts
    self.ranksPerHost = ranksPerHost
    ranks = ranksPerHost * hosts
    command = Self.command(
      nodes, ranks: ranks, perHost: ranksPerHost, threads: threads, hosts: hosts, batch: batch)
  }

  /// A rank for each NUMA node, so that its memory is near; two where there is one node, which is faster
  /// than two threads of one rank. A power of two: the sum of gradients has a tree of that shape.
  private static func ranksPerHost(_ budget: Int, _ cores: CoreFacts) -> Int {
    let nodes = cores.numaCount(cores.usable)
    let wanted = min(budget, max(2, nodes))
    return 1 << (Int.bitWidth - 1 - wanted.leadingZeroBitCount)
  }

  private static func command(
    _ nodes: [Node], ranks: Int, perHost: Int, threads: Int, hosts: Int,
    batch: LauncherFacts.Batch?
  ) -> String {
    let train =
      "lockstep train --threads \(threads) --model MODEL --train SHARDS --validation SHARDS --output RUN"
    if hosts == 1, batch == nil {
      let variables = settings(nodes).map { "OMPI_MCA_\($0.name)=\($0.value) " }.joined()
      return variables + "launch/local -n \(ranks) --threads \(threads) -- "
        + train.replacing("--threads \(threads) ", with: "")
    }
    if batch?.system == "Slurm", nodes[0].first.launcher.name?.hasPrefix("srun") ?? false {
      return "srun --mpi=pmix -n \(ranks) --ntasks-per-node=\(perHost) --cpus-per-task=\(threads) "
        + "--cpu-bind=cores \(train)"
    }
    let hostfile = batch == nil ? " --hostfile HOSTS" : ""
    return "mpirun -n \(ranks)\(hostfile) --map-by ppr:\(perHost):node:PE=\(threads) --bind-to core"
      + settings(nodes).map { " --mca \($0.name) \($0.value)" }.joined()
      + " -x OMP_NUM_THREADS=1 -x OPENBLAS_NUM_THREADS=1 \(train)"
  }

  /// What these machines need of Open MPI to be told.
  private static func settings(_ nodes: [Node]) -> [(name: String, value: String)] {
    let kinds = nodes.flatMap { $0.messagingFindings + $0.memoryFindings(nil) }.map(\.kind)
    let remedies = [
      ("peer-memory", "btl_vader_single_copy_mechanism", "none"),
      ("shared-memory", "btl_vader_backing_directory", "/tmp"),
    ]
    return remedies.filter { kinds.contains($0.0) }.map { ($0.1, $0.2) }
  }
}

extension RankFacts {
  /// Cores for a job on this machine: a single process counts those that it is held to itself, for
  /// that is what a job started in its place would have.
  var budgetOfJob: Int {
    guard launcher.name == nil else { return cores.budget }
    return max(1, min(cores.budget, cores.physicalCount(cores.allowed)))
  }
}
