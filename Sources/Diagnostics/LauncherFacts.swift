/// How this process was started, by its environment.
package struct LauncherFacts: Sendable, Equatable, Codable {
  /// A batch system's allocation.
  package struct Batch: Sendable, Equatable, Codable {
    /// `Slurm`, `PBS`, `LSF` or `Grid Engine`.
    package var system: String
    package var job: String
    package var nodes: Int?
    package var tasks: Int?
    package var coresPerTask: Int?

    package init(
      system: String, job: String, nodes: Int? = nil, tasks: Int? = nil, coresPerTask: Int? = nil
    ) {
      self.system = system
      self.job = job
      self.nodes = nodes
      self.tasks = tasks
      self.coresPerTask = coresPerTask
    }

    enum CodingKeys: String, CodingKey {
      case system, job, nodes, tasks
      case coresPerTask = "cores_per_task"
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
      return Batch(
        system: "Slurm", job: job, nodes: number("SLURM_JOB_NUM_NODES") ?? number("SLURM_NNODES"),
        tasks: number("SLURM_NTASKS"), coresPerTask: number("SLURM_CPUS_PER_TASK"))
    }
    if let job = environment["PBS_JOBID"] { return Batch(system: "PBS", job: job) }
    if let job = environment["LSB_JOBID"] { return Batch(system: "LSF", job: job) }
    if let job = environment["JOB_ID"], environment["PE_HOSTFILE"] != nil {
      return Batch(system: "Grid Engine", job: job, tasks: number("NSLOTS"))
    }
    return nil
  }
}
