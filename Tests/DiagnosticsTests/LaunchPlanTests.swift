import Testing

@testable import Diagnostics

@Suite struct LaunchPlanTests {
  @Test("a Slurm job's shape makes the launch line")
  func slurm() throws {
    let facts = LauncherFacts(
      size: 8, source: "SLURM_STEP_NUM_TASKS",
      environment: [
        "PMIX_RANK": "0", "SLURM_JOB_ID": "77", "SLURM_JOB_NUM_NODES": "4", "SLURM_NTASKS": "8",
        "SLURM_CPUS_PER_TASK": "3", "OMPI_MCA_btl": "self,tcp", "OMPI_MCA_orte_x": "1",
      ])
    #expect(facts.batch?.tasks == 8)
    #expect(facts.variables == ["OMPI_MCA_btl": "self,tcp"])
    let plan = Examination([rank(0, of: 8, threads: 3) { $0.launcher = facts }]).launch
    #expect(plan.ranks == 8)
    #expect(plan.threads == 3)
    #expect(
      plan.command.hasPrefix(
        "srun --mpi=pmix -n 8 --ntasks-per-node=2 --cpus-per-task=3 --cpu-bind=cores "))
  }

  @Test("of hardware threads, which are Slurm's CPUs, a task gets as many as its cores have")
  func slurmSiblings() {
    let plan = Examination([
      rank(0, of: 2, threads: 2) {
        $0.cores.siblings = (0...3).map { CPUSet([$0, $0 + 4]) }
        $0.launcher = task(of: [
          "SLURM_NTASKS": "2", "SLURM_CPUS_PER_TASK": "4", "SLURM_JOB_CPUS_PER_NODE": "8",
        ])
      }
    ]).launch
    #expect(plan.threads == 2)
    #expect(plan.command.contains("--cpus-per-task=4 "))
    #expect(plan.command.contains("--threads 2 "))
  }

  @Test(
    "a Slurm job's share of a node is the smallest that it has, else what its tasks ask for",
    arguments: [
      (["SLURM_JOB_CPUS_PER_NODE": "16"], 16), (["SLURM_JOB_CPUS_PER_NODE": "16(x2)"], 16),
      (["SLURM_JOB_CPUS_PER_NODE": "8,16(x3)"], 8), (["SLURM_JOB_CPUS_PER_NODE": "16(x3),4"], 4),
      (["SLURM_NTASKS": "6", "SLURM_JOB_NUM_NODES": "2"], 3),
      (["SLURM_NTASKS": "6", "SLURM_CPUS_PER_TASK": "4"], 24), ([:], nil),
    ] as [([String: String], Int?)])
  func slurmShare(environment: [String: String], share: Int?) {
    #expect(task(of: environment).batch?.processorsPerNode == share)
  }

  @Test("cores of other jobs on a shared node are neither idle nor in the launch line")
  func slurmNeighbours() {
    let ranks = (0...3).map { number in
      rank(number, of: 4, threads: 1) {
        $0.cores.online = CPUSet(0...63)
        $0.cores.usable = CPUSet(0...63)
        $0.cores.allowed = CPUSet([number])
        $0.launcher = task(of: ["SLURM_NTASKS": "4", "SLURM_JOB_CPUS_PER_NODE": "4"], size: 4)
      }
    }
    let examination = Examination(ranks)
    #expect(examination.findings == [])
    #expect(examination.launch.threads == 1)
    #expect(examination.launch.command.contains("-n 4 --ntasks-per-node=4 --cpus-per-task=1 "))
  }

  private func task(of environment: [String: String], size: Int = 2) -> LauncherFacts {
    LauncherFacts(
      size: size, source: "SLURM_STEP_NUM_TASKS",
      environment: environment.merging(["PMIX_RANK": "0", "SLURM_JOB_ID": "77"]) { a, _ in a })
  }

  @Test("on several hosts cluster/ssh/run is the launch line, with the networks of this job")
  func severalHosts() {
    let ranks = (0...1).map { number in
      rank(number, of: 2, host: "node-\(number)") {
        $0.launcher.variables = [
          "OMPI_MCA_oob_tcp_if_include": "eth1", "OMPI_MCA_btl_tcp_if_include": "10.1.0.0/16",
          "OMPI_MCA_btl": "self,tcp", "OMP_NUM_THREADS": "1",
        ]
      }
    }
    let command = Examination(ranks).launch.command
    #expect(
      command.hasPrefix(
        "OMPI_MCA_btl_tcp_if_include=10.1.0.0/16 OMPI_MCA_oob_tcp_if_include=eth1 "
          + "cluster/ssh/run --hostfile HOSTS -n 4 --threads 4 -- lockstep train --model "))
  }

  @Test(
    "on one machine launch/local is the launch line, a rank for each NUMA node and at least two")
  func local() {
    #expect(
      Examination([rank()]).launch.command.hasPrefix(
        "launch/local -n 2 --threads 4 -- lockstep train "))
    let wide = rank {
      $0.cores.numaNodes = (0...3).map {
        .init(number: $0, processors: CPUSet(2 * $0...2 * $0 + 1))
      }
    }
    let plan = Examination([wide]).launch
    #expect(plan.ranks == 4)
    #expect(plan.threads == 2)
  }
}
