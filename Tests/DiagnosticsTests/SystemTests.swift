import Foundation
import Testing

@testable import Diagnostics

@Suite struct SystemTests {
  @Test("sets of processors are read and written as Linux has them")
  func sets() {
    #expect(CPUSet("0-3,8")?.numbers == [0, 1, 2, 3, 8])
    #expect(CPUSet("")?.isEmpty == true)
    #expect(CPUSet("5,1-2,2")?.description == "1-2,5")
    for bad in ["a", "3-1", "-1", "1-2-3", "0-99999999"] { #expect(CPUSet(bad) == nil) }
  }

  @Test("cores are counted by their hardware threads, NUMA nodes and sockets")
  func cores() throws {
    let cpu = "/sys/devices/system/cpu"
    var contents = [
      cpu + "/online": "0-3", "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0,2",
      "/sys/devices/system/node/node0/cpulist": "0,2",
      "/sys/devices/system/node/node1/cpulist": "1,3",
      cpu + "/cpu0/cpufreq/scaling_governor": "powersave",
    ]
    for number in 0...3 {
      contents["\(cpu)/cpu\(number)/topology/thread_siblings_list"] =
        "\(number % 2),\(number % 2 + 2)"
      contents["\(cpu)/cpu\(number)/topology/physical_package_id"] = "\(number % 2)"
    }
    let system = try MadeUpSystem(contents)
    defer { system.remove() }
    let facts = CoreFacts(system.files, ControlGroup(system.files))
    #expect(facts.physicalCount(facts.online) == 2)
    #expect(facts.physicalCount(facts.allowed) == 1)
    #expect(facts.allowed == CPUSet([0, 2]))
    #expect(facts.isBound)
    #expect(facts.sockets == 2)
    #expect(facts.numaCount(facts.online) == 2)
    #expect(facts.numaCount(facts.allowed) == 1)
    #expect(facts.governor == "powersave")
  }

  @Test("the tightest limit on the way to the root counts, in version 2")
  func unified() throws {
    let group = "/sys/fs/cgroup"
    let system = try MadeUpSystem([
      "/proc/self/cgroup": "0::/pod/box", group + "/pod/cpu.max": "150000 100000",
      group + "/pod/box/cpu.max": "max 100000", group + "/pod/box/memory.max": "8000000000",
      group + "/pod/box/memory.current": "1000000000", group + "/pod/memory.max": "max",
      group + "/pod/box/cpuset.cpus.effective": "4-5",
    ])
    defer { system.remove() }
    let found = ControlGroup(system.files)
    #expect(found.quota == 1.5)
    #expect(found.memoryLimit == 8_000_000_000)
    #expect(found.memoryUsed == 1_000_000_000)
    #expect(found.processors == CPUSet([4, 5]))
  }

  @Test("a file's pages that the kernel takes back first are no use of memory, in both versions")
  func cache() throws {
    let group = "/sys/fs/cgroup/box"
    let unified = try MadeUpSystem([
      "/proc/self/cgroup": "0::/box", group + "/memory.max": "8000",
      group + "/memory.current": "7500",
      group + "/memory.stat": "anon 100\nactive_file 300\ninactive_file 7000",
    ])
    defer { unified.remove() }
    #expect(ControlGroup(unified.files).memoryUsed == 500)
    let old = "/sys/fs/cgroup/memory/box"
    let legacy = try MadeUpSystem([
      "/proc/self/cgroup": "4:memory:/box", old + "/memory.limit_in_bytes": "8000",
      old + "/memory.usage_in_bytes": "7500",
      old + "/memory.stat": "inactive_file 1\ntotal_inactive_file 9000",
    ])
    defer { legacy.remove() }
    #expect(ControlGroup(legacy.files).memoryUsed == 0)
  }

  @Test("limits of version 1 are read by controller, also where the group's own path is hidden")
  func legacy() throws {
    let system = try MadeUpSystem([
      "/proc/self/cgroup": "4:memory:/job/7\n3:cpuset:/job/7\n2:cpu:/job/7",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes": "4000000000",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "/sys/fs/cgroup/cpuset/job/cpuset.cpus": "0-1",
    ])
    defer { system.remove() }
    let found = ControlGroup(system.files)
    #expect(found.quota == 2)
    #expect(found.memoryLimit == 4_000_000_000)
    #expect(found.processors == CPUSet([0, 1]))
  }

  @Test("memory is read in bytes, and what a job may take is the lesser of machine and limit")
  func memory() throws {
    let system = try MadeUpSystem([
      "/proc/meminfo": "MemTotal:  2000 kB\nMemAvailable:   1000 kB\nHugePages_Total:  3",
      "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    ])
    defer { system.remove() }
    var facts = MemoryFacts(system.files, ControlGroup(system.files))
    #expect(facts.total == 2_048_000)
    #expect(facts.free == 1_024_000)
    #expect(facts.hugePages == "madvise")
    #expect(facts.reservedHugePages == 3)
    (facts.limit, facts.used) = (900_000, 400_000)
    #expect(facts.free == 500_000)
  }

  @Test("a folder is tried with a file that is gone afterwards, the nearest above a new one")
  func folder() throws {
    let system = try MadeUpSystem(["/a/b": "text"])
    defer { system.remove() }
    let facts = try #require(OutputFacts(path: system.root + "/new/run", SystemFiles()))
    #expect(facts.volume.path == system.root)
    #expect(facts.refusal == nil)
    #expect(facts.lockRefusal == nil)
    #expect(facts.volume.free > 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: system.root) == ["a"])
  }

  @Test("a file system of 2^64 bytes is as large as can be said")
  func boundless() {
    #expect(VolumeFacts.bytes(1 << 40, of: (1 << 24) - 1) == .max)
    #expect(VolumeFacts.bytes((1 << 40) - 1, of: 1 << 24) == .max)
    #expect(VolumeFacts.bytes(.max, of: 0) == 0)
    #expect(VolumeFacts.bytes(3, of: 4096) == 12288)
  }

  @Test(
    "what started a rank is read from its environment",
    arguments: [
      ("OMPI_COMM_WORLD_SIZE", [:], "mpirun"),
      ("SLURM_STEP_NUM_TASKS", ["PMIX_RANK": "0"], "srun --mpi=pmix"),
      ("SLURM_STEP_NUM_TASKS", [:], "srun --mpi=none"),
    ] as [(String, [String: String], String)])
  func launcher(source: String, environment: [String: String], name: String) {
    #expect(LauncherFacts(size: 2, source: source, environment: environment).name == name)
  }
}
