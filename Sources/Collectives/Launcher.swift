import Glibc

/// What the environment says about the job that started this process, read without MPI.
///
/// | launcher | size | rank |
/// | --- | --- | --- |
/// | Open MPI's mpirun | OMPI_COMM_WORLD_SIZE | OMPI_COMM_WORLD_RANK |
/// | MPICH's mpiexec, `srun --mpi=pmi2` | PMI_SIZE | PMI_RANK |
/// | `srun --mpi=pmix` | with PMIX_RANK: SLURM_STEP_NUM_TASKS or SLURM_NTASKS | PMIX_RANK |
/// | `srun --mpi=none` | SLURM_STEP_NUM_TASKS above one | SLURM_PROCID |
///
/// The order matters: mpirun inside a Slurm allocation inherits Slurm's variables, which then
/// describe the allocation and not the job. SLURM_NTASKS alone proves nothing, for a batch script
/// has it too; SLURM_STEP_NUM_TASKS is set by srun for the processes of one step.
struct Launcher: Equatable {
  /// How many ranks the launcher started.
  let size: Int
  /// Which of them this process is.
  let rank: Int
  /// The variable that gave the size, for messages.
  let source: String

  /// - Parameter lookup: the value of an environment variable.
  /// - Returns: nil where no launcher announces itself.
  init?(lookup: (String) -> String?) {
    func number(_ name: String) -> Int? { lookup(name).flatMap { Int($0) } }
    let candidates: [(size: String, rank: String, isPresent: Bool)] = [
      ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", true),
      ("PMI_SIZE", "PMI_RANK", true),
      ("SLURM_STEP_NUM_TASKS", "PMIX_RANK", lookup("PMIX_RANK") != nil),
      ("SLURM_NTASKS", "PMIX_RANK", lookup("PMIX_RANK") != nil),
      ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", (number("SLURM_STEP_NUM_TASKS") ?? 0) > 1),
    ]
    for candidate in candidates where candidate.isPresent {
      if let size = number(candidate.size) {
        self.size = size
        self.rank = number(candidate.rank) ?? 0
        self.source = candidate.size
        return
      }
    }
    return nil
  }

  /// The launcher of this process.
  static var current: Launcher? {
    Launcher { name in getenv(name).map { String(cString: $0) } }
  }
}
