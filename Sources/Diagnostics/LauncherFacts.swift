/// How this process was started, by its environment.
package struct LauncherFacts: Sendable, Equatable, Codable {
  /// A batch system's allocation.
  package struct Batch: Sendable, Equatable, Codable {
    /// `Slurm`, `PBS`, `LSF` or `Grid Engine`.
    package var system: String
    package var job: String
    package var nodes: Int?
    package var tasks: Int?
    /// In Slurm's CPUs, which are hardware threads where cores have several.
    package var coresPerTask: Int?
    /// The job's share of a node, in the same; of nodes with different shares the smallest.
    package var processorsPerNode: Int?

    package init(
      system: String, job: String, nodes: Int? = nil, tasks: Int? = nil, coresPerTask: Int? = nil,
      processorsPerNode: Int? = nil
    ) {
      self.system = system
      self.job = job
      self.nodes = nodes
      self.tasks = tasks
      self.coresPerTask = coresPerTask
      self.processorsPerNode = processorsPerNode
    }

    enum CodingKeys: String, CodingKey {
      case system, job, nodes, tasks
      case coresPerTask = "cores_per_task"
      case processorsPerNode = "processors_per_node"
    }
  }

  /// What started the ranks, such as `mpirun`; nil for a process started by itself.
  package var name: String?
  /// Ranks that the launcher says it has started; 1 without one.
  package var size: Int
  package var batch: Batch?
  /// Variables that decide how MPI and BLAS behave.
  package var variables: [String: String]

  package init(
    name: String? = nil, size: Int = 1, batch: Batch? = nil, variables: [String: String] = [:]
  ) {
    self.name = name
    self.size = size
    self.batch = batch
    self.variables = variables
  }

  /// - Parameter source: The variable that the number of ranks was read from.
  init(size: Int?, source: String?, environment: [String: String]) {
    switch source {
    case "OMPI_COMM_WORLD_SIZE": name = "mpirun"
    case "PMI_SIZE": name = "mpiexec or srun --mpi=pmi2"
    case .some: name = environment["PMIX_RANK"] == nil ? "srun --mpi=none" : "srun --mpi=pmix"
    case nil: name = nil
    }
    self.size = size ?? 1
    batch = Self.batch(environment)
    let names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE"]
    variables = environment.filter { name, _ in
      names.contains(name) || name.hasPrefix("HDF5_USE_FILE")
        || name.hasPrefix("OMPI_MCA_") && !Self.setByLauncher.contains(where: name.hasPrefix)
    }
  }

  /// What mpirun and its daemons tell their ranks of themselves.
  private static let setByLauncher = [
    "OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix", "OMPI_MCA_initial_wdir",
    "OMPI_MCA_shmem_RUNTIME",
    "OMPI_MCA_plm", "OMPI_MCA_ras", "OMPI_MCA_mpi_oversubscribe",
  ]

  private static func batch(_ environment: [String: String]) -> Batch? {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    if let job = environment["SLURM_JOB_ID"] {
      var batch = Batch(
        system: "Slurm", job: job, nodes: number("SLURM_JOB_NUM_NODES") ?? number("SLURM_NNODES"),
        tasks: number("SLURM_NTASKS"), coresPerTask: number("SLURM_CPUS_PER_TASK"))
      batch.processorsPerNode =
        environment["SLURM_JOB_CPUS_PER_NODE"].flatMap(fewest)
        ?? batch.tasks.map { $0 * (batch.coresPerTask ?? 1) / max(1, batch.nodes ?? 1) }
      return batch
    }
    if let job = environment["PBS_JOBID"] { return Batch(system: "PBS", job: job) }
    if let job = environment["LSB_JOBID"] { return Batch(system: "LSF", job: job) }
    if let job = environment["JOB_ID"], environment["PE_HOSTFILE"] != nil {
      return Batch(system: "Grid Engine", job: job, tasks: number("NSLOTS"))
    }
    return nil
  }

  /// Of `16`, `16(x2)` or `8,16(x3)`: numbers, and of how many nodes each is.
  private static func fewest(_ counts: String) -> Int? {
    counts.split(separator: ",").compactMap { Int($0.prefix { $0 != "(" }) }.min()
  }
}
