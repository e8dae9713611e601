import Collectives
import Foundation
import Glibc
import HDF5
import Kernels
import Manifests
import Processors

/// What one rank finds where it runs: facts, without an opinion of them.
package struct RankFacts: Sendable, Equatable, Codable {
  /// OpenBLAS as it is loaded here.
  package struct BLAS: Sendable, Equatable, Codable {
    package var configuration: String
    /// Its name for the processor that it has chosen kernels for.
    package var coreType: String
    package var threads: Int

    package init(configuration: String, coreType: String, threads: Int) {
      self.configuration = configuration
      self.coreType = coreType
      self.threads = threads
    }

    enum CodingKeys: String, CodingKey {
      case configuration, threads
      case coreType = "core_type"
    }
  }

  /// What this rank computes while all others do: what their machine's shares and neighbours leave it.
  package struct Speed: Sendable, Equatable, Codable {
    package var gflops: Double
    package var gigabytesPerSecond: Double

    package init(gflops: Double, gigabytesPerSecond: Double) {
      self.gflops = gflops
      self.gigabytesPerSecond = gigabytesPerSecond
    }

    enum CodingKeys: String, CodingKey {
      case gflops
      case gigabytesPerSecond = "gigabytes_per_second"
    }
  }

  package var rank: Int
  package var host: String
  /// The kernel's boot, which tells hosts of one name apart.
  package var boot: String
  /// e.g. `Linux 6.1.0`.
  package var kernel: String
  /// The C library, e.g. `glibc 2.36`.
  package var libc: String
  /// SHA-256 of the running program; empty where it cannot be read.
  package var program: String
  package var processor: Processor
  /// nil where its code may not be run.
  package var blas: BLAS?
  package var cores: CoreFacts
  package var memory: MemoryFacts
  /// /dev/shm; nil where there is none.
  package var sharedMemory: VolumeFacts?
  /// The one that is asked about; nil where the folder cannot be looked at.
  package var output: OutputFacts?
  package var messaging: MessagingLibrary
  package var reach: NodeReach
  /// Yama's level, above 0 where processes may not look into each other; nil without Yama.
  package var ptraceScope: Int?
  package var hdf5: LibraryVersion
  package var launcher: LauncherFacts
  /// Ranks that MPI has brought together.
  package var size: Int
  /// Threads that this rank would train with.
  package var threads: Int
  /// nil where nothing was measured.
  package var speed: Speed?

  enum CodingKeys: String, CodingKey {
    case rank, host, boot, kernel, libc, program, processor, blas, cores, memory, output, messaging
    case reach, hdf5, launcher, size, threads, speed
    case sharedMemory = "shared_memory"
    case ptraceScope = "ptrace_scope"
  }
}

extension RankFacts {
  /// Looks around; a collective call.
  ///
  /// - Parameters:
  ///   - communicator: Of the job. nil for a process that did not find the others: it looks by itself.
  ///   - output: The folder that is asked about.
  ///   - threads: Those that the rank is to train with.
  package init(
    _ communicator: Communicator?, output: String, threads: Int
  ) throws {
    let files = SystemFiles()
    let group = ControlGroup(files)
    var system = utsname()
    uname(&system)
    rank = communicator?.rank ?? Communicator.launcherRank ?? 0
    size = communicator?.size ?? 1
    host = Self.string(&system.nodename)
    boot = files.text("/proc/sys/kernel/random/boot_id") ?? ""
    kernel = Self.string(&system.sysname) + " " + Self.string(&system.release)
    libc = Self.nameOfCLibrary()
    program = (try? sha256OfFile("/proc/self/exe").sha256) ?? ""
    processor = .current
    // Kernels and what it calls are compiled for the vectors that may be missing here.
    blas =
      processor.vectors == .none
      ? nil
      : BLAS(configuration: blasConfiguration(), coreType: coreType(), threads: blasThreads())
    cores = CoreFacts(files, group)
    memory = MemoryFacts(files, group)
    sharedMemory = VolumeFacts(path: "/dev/shm", files)
    self.output = OutputFacts(path: output, files)
    ptraceScope = files.number("/proc/sys/kernel/yama/ptrace_scope")
    hdf5 = .current
    launcher = LauncherFacts(
      size: Communicator.launcherSize, source: Communicator.launcherSource,
      environment: ProcessInfo.processInfo.environment)
    self.threads = threads
    messaging = Communicator.messagingLibrary(of: communicator)
    reach =
      try communicator?.nodeReach()
      ?? NodeReach(readsPeers: nil, refusal: nil, sharesBuffers: nil)
  }

  private static func nameOfCLibrary() -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
      guard let base = buffer.baseAddress, confstr(Int32(_CS_GNU_LIBC_VERSION), base, 64) > 0 else {
        return "unknown"
      }
      return String(cString: base)
    }
  }

  /// Of a field of `utsname`, a tuple of characters.
  private static func string<Field>(_ field: inout Field) -> String {
    withUnsafeBytes(of: &field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}

extension Communicator {
  /// Every rank's facts, on every rank, by rank; a collective call.
  package func gatherFacts(_ own: RankFacts) throws -> [RankFacts] {
    let encoded = Array(try JSONEncoder().encode(own))
    return try gatherAll(encoded).map { try JSONDecoder().decode(RankFacts.self, from: Data($0)) }
  }
}
