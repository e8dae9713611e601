import Collectives
import Foundation
import Processors
import Testing

@testable import Diagnostics

@Suite struct FindingTests {
  #if arch(x86_64)
    @Test("a processor without AVX2 is an error that says what it has instead, and leaves BLAS out")
    func noVectors() throws {
      let facts = rank {
        $0.processor = Processor(
          name: "Old one", hasAVX: true, hasAVX2: false, hasFMA: false, hasAVX512: false)
        $0.blas = nil
      }
      let examination = Examination([facts], omitted: ["BLAS"])
      let finding = try #require(examination.finding("processor"))
      #expect(finding.severity == .error)
      #expect(finding.found == "no AVX2, no FMA: Old one")
      let text = ExaminationText(examination).lines.joined(separator: "\n")
      #expect(text.contains("no AVX2, no FMA, no AVX-512; no kernels that run here"))
      #expect(text.contains("left out    BLAS"))
      #expect(text.contains("no training here"))
      #expect(!text.contains("lockstep train"))
    }
  #endif

  @Test(
    "a small /dev/shm is an error with several ranks, a warning with one, and says what is needed")
  func sharedMemory() throws {
    let small = VolumeFacts(path: "/dev/shm", type: "tmpfs", total: 1 << 20, free: 1 << 20)
    let several = Examination(
      pair {
        $0.sharedMemory = small
        $0.messaging = MessagingLibrary(
          version: "Open MPI v4.1.4", matching: "ob1", transports: ["self", "tcp"], singleCopy: nil,
          sharedSegmentBytes: nil)
      })
    let finding = try #require(several.finding("shared-memory"))
    #expect(finding.severity == .error)
    #expect(finding.expected.hasPrefix("8.5 MB in /dev/shm"))
    #expect(finding.found == "1.0 MB free of 1.0 MB")
    #expect(several.finding("node-transport")?.severity == .error)
    #expect(
      several.launch.command.hasPrefix(
        "OMPI_MCA_btl_vader_backing_directory=/tmp launch/local -n 2 "))
    let one = Examination([rank { $0.sharedMemory = small }])
    #expect(one.finding("shared-memory")?.severity == .warning)
  }

  @Test("a single process asks /dev/shm for the ranks of the launch line, not one a core")
  func plannedSharedMemory() {
    let examination = Examination([
      rank(threads: 32) {
        let all = CPUSet(0...31)
        ($0.cores.online, $0.cores.usable, $0.cores.allowed) = (all, all, all)
        $0.sharedMemory = VolumeFacts(
          path: "/dev/shm", type: "tmpfs", total: 64 << 20, free: 64 << 20)
      }
    ])
    #expect(examination.findings == [])
    #expect(examination.launch.command.hasPrefix("launch/local -n 2 "))
  }

  @Test("a /dev/shm that the running ranks have filled with their own segments is no finding")
  func fullSharedMemory() {
    let filled = VolumeFacts(path: "/dev/shm", type: "tmpfs", total: 9 << 20, free: 1 << 20)
    #expect(Examination(pair { $0.sharedMemory = filled }).findings == [])
  }

  @Test("ranks that cannot read each other's memory are an error, and the launch line turns it off")
  func peerMemory() throws {
    let reach = NodeReach(
      readsPeers: false, refusal: "Operation not permitted", sharesBuffers: true)
    let hosts = ["node-a", "node-b"]
    let ranks = (0..<4).map { number in
      rank(
        number, of: 4, host: hosts[number / 2], processors: number % 2 * 4...number % 2 * 4 + 3,
        threads: 4
      ) {
        $0.reach = reach
      }
    }
    let examination = Examination(ranks)
    let finding = try #require(examination.finding("peer-memory"))
    #expect(finding.ranks == [0, 1, 2, 3])
    #expect(finding.hosts == hosts)
    #expect(
      examination.launch.command.hasPrefix(
        "OMPI_MCA_btl_vader_single_copy_mechanism=none cluster/ssh/run --hostfile HOSTS -n 4 "))
  }

  @Test("memory below what the model needs is an error, and a control group's limit is named")
  func memory() throws {
    let needs = Needs(gradient: 400 << 20, training: 2 << 30, checkpoint: 1200 << 20)
    let free = Examination(pair { $0.memory.available = 3 << 30 }, needs: needs)
    #expect(free.finding("memory")?.severity == .error)
    let limited = Examination(
      pair {
        $0.memory.limit = 4 << 30
        $0.memory.used = 1 << 30
      }, needs: needs)
    let finding = try #require(limited.finding("memory"))
    #expect(finding.found.contains("control group's limit of 4.3 GB"))
    #expect(Examination(pair(), needs: needs).findings == [])
  }

  @Test("an output folder that is full, closed or without locks is told")
  func output() throws {
    let needs = Needs(gradient: 400 << 20, training: 2 << 30, checkpoint: 1200 << 20)
    let full = Examination([rank { $0.output?.volume.free = 1 << 30 }], needs: needs)
    #expect(full.finding("disk")?.severity == .error)
    let closed = Examination([rank { $0.output?.refusal = "Read-only file system" }])
    #expect(closed.finding("output-folder")?.found == "Read-only file system")
    let lockless = Examination([
      rank {
        $0.output?.volume.type = "lustre"
        $0.output?.lockRefusal = "Function not implemented"
      }
    ])
    let finding = try #require(lockless.finding("file-locking"))
    #expect(finding.remedy.contains("Lustre: -o flock"))
  }

  @Test("a launcher that started more ranks than MPI brought together is an error")
  func launcher() throws {
    let examination = Examination([rank { $0.launcher = LauncherFacts(name: "mpirun", size: 4) }])
    let finding = try #require(examination.finding("launcher"))
    #expect(finding.found == "a communicator of 1: each process trains by itself")
  }

  @Test("ranks of another build, MPI or C library are named, the commonest being taken for right")
  func agreement() throws {
    let ranks = (0..<3).map { number in
      rank(number, of: 3, host: "node-\(number)") {
        guard number == 1 else { return }
        $0.program = "123456"
        $0.libc = "glibc 2.31"
      }
    }
    let examination = Examination(ranks)
    #expect(examination.finding("program-differs")?.ranks == [1])
    #expect(examination.finding("program-differs")?.severity == .error)
    #expect(examination.finding("libc-differs")?.found == "glibc 2.31")
    #expect(examination.finding("mpi-differs") == nil)
  }

  @Test(
    "a clock is wrong by more than a second and its uncertainty", arguments: [-3.5, 0.9, 1.4, 40])
  func clock(seconds: Double) throws {
    let ranks = [rank(0, of: 2), rank(1, of: 2, host: "node-b")]
    let examination = Examination(
      ranks, clocks: [ClockSkew(rank: 1, seconds: seconds, uncertainty: 0.5)])
    let finding = examination.finding("clock-skew")
    #expect((finding != nil) == (abs(seconds) > 1.5))
    #expect(finding?.hosts ?? ["node-b"] == ["node-b"])
  }

  @Test("a finding of several ranks stands once, and errors come first")
  func merges() {
    let low = pair {
      $0.memory.hugePages = "never"
      $0.reach = NodeReach(readsPeers: false, refusal: "no", sharesBuffers: true)
    }
    let findings = Examination(low).findings
    #expect(findings.map(\.kind) == ["peer-memory", "huge-pages"])
    #expect(findings.allSatisfy { $0.ranks == [0, 1] })
  }

  @Test("facts come back from JSON as they went")
  func roundTrip() throws {
    let facts = rank(1, of: 2) { $0.speed = .init(gflops: 50, gigabytesPerSecond: 10) }
    let data = try JSONEncoder().encode(facts)
    #expect(try JSONDecoder().decode(RankFacts.self, from: data) == facts)
  }
}
