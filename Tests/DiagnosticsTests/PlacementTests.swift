import Testing

@testable import Diagnostics

@Suite struct PlacementTests {
  @Test("a machine with nothing wrong has no findings, alone or with two ranks")
  func isQuiet() {
    #expect(Examination([rank()]).findings == [])
    #expect(Examination(pair()).findings == [])
  }

  @Test("two ranks on one core are an error that names both")
  func sameCore() throws {
    let ranks = [
      rank(0, of: 2, processors: 0...0, threads: 1), rank(1, of: 2, processors: 0...0, threads: 1),
    ]
    let examination = Examination(ranks)
    let finding = try #require(examination.finding("cores-overcommitted"))
    #expect(finding.severity == .error)
    #expect(finding.ranks == [0, 1])
    #expect(finding.hosts == ["node-a"])
    #expect(finding.found == "1 core, processors 0, that they are bound to")
    #expect(finding.remedy.contains("--map-by slot:PE=4 --bind-to core"))
    #expect(examination.hasErrors)
  }

  @Test("two of three ranks on the same core are an error that leaves the third out")
  func someShare() throws {
    let ranks = [
      rank(0, of: 3, processors: 2...2, threads: 1), rank(1, of: 3, processors: 2...2, threads: 1),
      rank(2, of: 3, processors: 4...7, threads: 1),
    ]
    let finding = try #require(Examination(ranks).finding("ranks-share-cores"))
    #expect(finding.ranks == [0, 1])
    #expect(finding.found.hasSuffix("processors 2"))
  }

  @Test("more threads than the cores that a rank is bound to are an error with both remedies")
  func tooManyThreads() throws {
    let ranks = [
      rank(0, of: 2, processors: 0...0, threads: 4), rank(1, of: 2, processors: 1...1, threads: 4),
    ]
    let finding = try #require(Examination(ranks).finding("threads-exceed-binding"))
    #expect(finding.severity == .error)
    #expect(finding.ranks == [0, 1])
    #expect(finding.remedy.contains("slot:PE=4"))
    #expect(finding.remedy.contains("--threads 1"))
  }

  @Test("mpirun's default of one core a rank on a larger machine is a warning of idle cores")
  func idleCores() throws {
    let ranks = [
      rank(0, of: 2, processors: 0...0, threads: 1), rank(1, of: 2, processors: 1...1, threads: 1),
    ]
    let examination = Examination(ranks)
    let finding = try #require(examination.finding("idle-cores"))
    #expect(finding.severity == .warning)
    #expect(finding.expected == "work for 8 cores")
    #expect(finding.remedy.contains("slot:PE=4"))
    #expect(!examination.hasErrors)
  }

  @Test("unbound ranks are a note on one NUMA node and a warning on two")
  func unbound() throws {
    let loose = (0...1).map { rank($0, of: 2, threads: 4) }
    #expect(Examination(loose).finding("not-bound")?.severity == .note)
    let spread = (0...1).map {
      rank($0, of: 2, threads: 4) {
        $0.cores.numaNodes = [
          .init(number: 0, processors: CPUSet(0...3)), .init(number: 1, processors: CPUSet(4...7)),
        ]
      }
    }
    let finding = try #require(Examination(spread).finding("not-bound"))
    #expect(finding.severity == .warning)
    #expect(finding.found.contains("2 NUMA nodes"))
  }

  @Test("two threads on one core are a warning, for a core has two hardware threads")
  func siblings() throws {
    let halves = [CPUSet([0, 4]), CPUSet([1, 5]), CPUSet([2, 6]), CPUSet([3, 7])]
    let examination = Examination([rank { $0.cores.siblings = halves }])
    let finding = try #require(examination.finding("threads-share-cores"))
    #expect(finding.found == "4 cores of 8 hardware threads")
    #expect(finding.remedy.hasPrefix("--threads 4:"))
    #expect(examination.launch.ranks * examination.launch.threads == 4)
  }

  @Test("a container's limit of time below the threads is an error", arguments: [0.5, 1.5, 7.9])
  func quota(cores: Double) throws {
    let examination = Examination([rank { $0.cores.quota = cores }])
    let finding = try #require(examination.finding("time-quota"))
    #expect(finding.severity == .error)
    #expect(examination.launch.ranks * examination.launch.threads <= max(1, Int(cores)))
  }

  @Test(
    "a process that taskset holds to two cores is told what it leaves, and a launch line for two")
  func taskset() throws {
    let examination = Examination([rank(processors: 2...3, threads: 2)])
    #expect(examination.kinds == ["idle-cores"])
    #expect(examination.launch.ranks == 2)
    #expect(examination.launch.threads == 1)
  }
}
