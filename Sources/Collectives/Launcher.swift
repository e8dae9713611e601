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

/// Sees to it that the launcher ends too, some seconds from now, should it not have done so by itself.
///
/// Open MPI's mpirun ends the ranks that it can reach, then waits for the node that has vanished: by
/// TCP's limits, a quarter of an hour, in which it holds the job's nodes. A shell in a process
/// group of its own outlives the ranks and ends their parent, which is mpirun or its daemon.
func endLauncher(afterSeconds seconds: Int) {
  let parent = getppid()
  guard parent > 1 else { return }
  let script =
    "sleep \(seconds); kill -TERM \(parent) 2>/dev/null && sleep 2 && kill -KILL \(parent) 2>/dev/null"
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
  let arguments = [strdup("sh"), strdup("-c"), strdup(script), nil]
  var child = pid_t()
  posix_spawn(&child, "/bin/sh", nil, &attributes, arguments, environ)
}
