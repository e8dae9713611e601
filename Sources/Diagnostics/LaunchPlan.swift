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
    let data = "--model MODEL --train SHARDS --validation SHARDS --output RUN"
    let train = "lockstep train --threads \(threads) \(data)"
    let settings =
      remedies(nodes, perHost: perHost) + (hosts > 1 ? interfaces(nodes[0].first.launcher) : [])
    let variables = settings.map { "OMPI_MCA_\($0.name)=\($0.value) " }.joined()
    guard let batch else {
      let script = hosts == 1 ? "launch/local" : "cluster/ssh/run --hostfile HOSTS"
      return variables + "\(script) -n \(ranks) --threads \(threads) -- lockstep train \(data)"
    }
    if batch.system == "Slurm", nodes[0].first.launcher.name?.hasPrefix("srun") ?? false {
      return variables + "srun --mpi=pmix -n \(ranks) --ntasks-per-node=\(perHost) "
        + "--cpus-per-task=\(batch.coresPerTask ?? threads) --cpu-bind=cores \(train)"
    }
    return "mpirun -n \(ranks) --map-by ppr:\(perHost):node:PE=\(threads) --bind-to core"
      + settings.map { " --mca \($0.name) \($0.value)" }.joined()
      + " -x OMP_NUM_THREADS=1 -x OPENBLAS_NUM_THREADS=1 \(train)"
  }

  /// The networks that this job was held to: without them the next one may not find its ranks.
  private static func interfaces(_ launcher: LauncherFacts) -> [(name: String, value: String)] {
    let prefix = "OMPI_MCA_"
    return launcher.variables.sorted { $0.key < $1.key }.filter { variable in
      variable.key.hasPrefix(prefix)
        && ["_if_include", "_if_exclude"].contains(where: variable.key.hasSuffix)
    }.map { (String($0.key.dropFirst(prefix.count)), $0.value) }
  }

  /// What these machines need of Open MPI to be told.
  private static func remedies(
    _ nodes: [Node], perHost: Int
  ) -> [(name: String, value: String)] {
    let kinds = nodes.flatMap { $0.messagingFindings + $0.memoryFindings(nil, planned: perHost) }
      .map(\.kind)
    let remedies = [
      ("peer-memory", "btl_vader_single_copy_mechanism", "none"),
      ("shared-memory", "btl_vader_backing_directory", "/tmp"),
    ]
    return remedies.filter { kinds.contains($0.0) }.map { ($0.1, $0.2) }
  }
}

extension RankFacts {
  /// Physical cores for all ranks of this job on the machine. On a node that jobs share, the batch
  /// system's word may be all that keeps them apart: at most a core for each of the job's processors.
  var budget: Int { min(cores.budget, max(1, launcher.batch?.processorsPerNode ?? .max)) }

  /// Cores for a job on this machine: a single process counts those that it is held to itself, for
  /// that is what a job started in its place would have.
  var budgetOfJob: Int {
    guard launcher.name == nil else { return budget }
    return max(1, min(budget, cores.physicalCount(cores.allowed)))
  }
}
