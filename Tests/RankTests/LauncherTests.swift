import Testing

@testable import Collectives

@Suite("What the environment says about the launcher")
struct LauncherTests {
  private func launcher(_ environment: [String: String]) -> (size: Int, rank: Int)? {
    Launcher { environment[$0] }.map { ($0.size, $0.rank) }
  }

  @Test("no launcher announces nothing")
  func none() {
    #expect(launcher([:]) == nil)
    #expect(launcher(["OMPI_COMM_WORLD_SIZE": "many"]) == nil)
  }

  @Test("a Slurm batch script and an interactive step are not launchers")
  func batchScript() {
    #expect(launcher(["SLURM_NTASKS": "4", "SLURM_PROCID": "0"]) == nil)
    #expect(launcher(["SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"]) == nil)
  }

  @Test("each launcher is read from its own variables")
  func launchers() {
    let openMPI = launcher(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"])
    #expect(openMPI ?? (0, 0) == (4, 3))
    let pmi2 = launcher(["PMI_SIZE": "8", "PMI_RANK": "7", "SLURM_NTASKS": "8"])
    #expect(pmi2 ?? (0, 0) == (8, 7))
    let pmix = launcher(["PMIX_RANK": "1", "SLURM_NTASKS": "2"])
    #expect(pmix ?? (0, 0) == (2, 1))
    let step = launcher(["SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"])
    #expect(step ?? (0, 0) == (2, 1))
  }

  @Test("mpirun inside a Slurm step of daemons counts its own ranks")
  func mpirunInsideSlurm() {
    let found = launcher([
      "OMPI_COMM_WORLD_SIZE": "16", "OMPI_COMM_WORLD_RANK": "5", "PMIX_RANK": "5",
      "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_NTASKS": "16",
    ])
    #expect(found ?? (0, 0) == (16, 5))
  }
}
