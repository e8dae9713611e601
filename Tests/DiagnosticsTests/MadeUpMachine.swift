import Collectives
import Foundation
import HDF5
import Processors

@testable import Diagnostics

/// A rank on a machine of eight cores with nothing wrong, to be changed by a test.
func rank(
  _ number: Int = 0, of size: Int = 1, host: String = "node-a",
  processors: ClosedRange<Int> = 0...7, threads: Int = 8,
  _ change: (inout RankFacts) -> Void = { _ in }
) -> RankFacts {
  let isLaunched = size > 1
  var facts = RankFacts(
    rank: number, host: host, boot: host, kernel: "Linux 6.1.0", libc: "glibc 2.36",
    program: "abcdef",
    processor: Processor(
      name: "A processor", hasAVX: true, hasAVX2: true, hasFMA: true, hasAVX512: false),
    blas: .init(configuration: "OpenBLAS 0.3.21", coreType: "Zen", threads: 1),
    cores: CoreFacts(
      online: CPUSet(0...7), usable: CPUSet(0...7), allowed: CPUSet(processors),
      numaNodes: [.init(number: 0, processors: CPUSet(0...7))]),
    memory: MemoryFacts(total: 32 << 30, available: 30 << 30, hugePages: "madvise"),
    sharedMemory: VolumeFacts(path: "/dev/shm", type: "tmpfs", total: 16 << 30, free: 16 << 30),
    output: OutputFacts(
      volume: VolumeFacts(path: "/data", type: "ext4", total: 1 << 40, free: 1 << 39)),
    messaging: MessagingLibrary(
      version: "Open MPI v4.1.4", matching: isLaunched ? "ob1" : nil,
      transports: isLaunched ? ["self", "tcp", "vader"] : [], singleCopy: isLaunched ? "cma" : nil,
      sharedSegmentBytes: isLaunched ? 4 << 20 : nil),
    reach: NodeReach(
      readsPeers: isLaunched ? true : nil, refusal: nil, sharesBuffers: isLaunched ? true : nil),
    ptraceScope: nil, hdf5: LibraryVersion(number: "1.10.8", isThreadSafe: true),
    launcher: LauncherFacts(name: isLaunched ? "mpirun" : nil, size: size), size: size,
    threads: threads, speed: nil)
  change(&facts)
  return facts
}

/// Two ranks of four cores each on one machine.
func pair(_ change: (inout RankFacts) -> Void = { _ in }) -> [RankFacts] {
  [
    rank(0, of: 2, processors: 0...3, threads: 4, change),
    rank(1, of: 2, processors: 4...7, threads: 4, change),
  ]
}

extension Examination {
  var kinds: [String] { findings.map(\.kind) }

  /// The only finding of this kind.
  func finding(_ kind: String) -> Finding? {
    let found = findings.filter { $0.kind == kind }
    return found.count == 1 ? found[0] : nil
  }
}

/// A folder that stands for the root of a system, from paths and what is in them.
struct MadeUpSystem {
  let root: String

  init(_ contents: [String: String]) throws {
    let root = FileManager.default.temporaryDirectory.path + "/lockstep-system-\(UUID().uuidString)"
    for (path, text) in contents {
      let folder = URL(fileURLWithPath: root + path).deletingLastPathComponent()
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data((text + "\n").utf8).write(to: URL(fileURLWithPath: root + path))
    }
    self.root = root
  }

  var files: SystemFiles { SystemFiles(root: root) }

  func remove() { try? FileManager.default.removeItem(atPath: root) }
}
