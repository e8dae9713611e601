// Memory, and the part of it that is shared between processes.

extension Node {
  /// Below this a job is not worth starting: the smallest pretrained encoders take as much a rank.
  private static let leastMemory = 500_000_000
  /// What Open MPI takes of /dev/shm for a rank, where it does not say.
  private static let segmentBytes = 4 << 20

  /// - Parameters:
  ///   - needs: Of the model; nil where none was named.
  ///   - planned: Ranks of the launch line on a host.
  func memoryFindings(_ needs: Needs?, planned: Int) -> [Finding] {
    roomFindings(needs) + sharedMemoryFindings(planned) + pageFindings
  }

  private func roomFindings(_ needs: Needs?) -> [Finding] {
    let memory = first.memory
    let needed = (needs?.training ?? Self.leastMemory) * ranks.count
    guard memory.total > 0, memory.free < needed else { return [] }
    let isLimited = memory.limit.map { $0 - (memory.used ?? 0) <= memory.available } ?? false
    return [
      Finding(
        needs == nil ? .warning : .error, "memory", ranks,
        expected: "\(size(needed)) for \(counted(ranks.count, "rank"))"
          + (needs == nil ? "" : " of this model and its activations"),
        found: "\(size(memory.free)) free"
          + (isLimited ? " below the control group's limit of \(size(memory.limit ?? 0))" : ""),
        remedy: isLimited
          ? "ask for more memory (#SBATCH --mem, --memory, resources.limits.memory), or fewer ranks here"
          : "fewer ranks with more --threads, end what else runs here, or a smaller model")
    ]
  }

  private func sharedMemoryFindings(_ planned: Int) -> [Finding] {
    guard let shared = first.sharedMemory else {
      return ranks.count == 1
        ? []
        : [
          Finding(
            .error, "shared-memory", ranks, expected: "/dev/shm", found: "none",
            remedy: "mount -t tmpfs tmpfs /dev/shm, or "
              + "mpirun --mca btl_vader_backing_directory /tmp")
        ]
    }
    let segment = ranks.compactMap(\.messaging.sharedSegmentBytes).max() ?? Self.segmentBytes
    // A single process stands for the ranks that the launch line will start.
    let count = ranks.count > 1 ? ranks.count : planned
    // Segments of running ranks are taken already; a job that could not make them has none.
    let taken = ranks.count > 1 && ranks.allSatisfy { $0.messaging.transports.contains("vader") }
    let needed = count * (segment + (64 << 10))
    guard count > 1, shared.free < needed, !(taken && shared.total >= needed) else { return [] }
    return [
      Finding(
        ranks.count > 1 ? .error : .warning, "shared-memory", ranks,
        expected: "\(size(needed)) in /dev/shm for Open MPI's messages between \(count) ranks",
        found: "\(size(shared.free)) free of \(size(shared.total))",
        remedy:
          "mount -o remount,size=1g /dev/shm (docker run --shm-size=1g; in Kubernetes an emptyDir "
          + "of medium Memory there), or mpirun --mca btl_vader_backing_directory /tmp")
    ]
  }

  private var pageFindings: [Finding] {
    guard first.memory.hugePages == "never" else { return [] }
    return [
      Finding(
        .note, "huge-pages", ranks, expected: "transparent huge pages, madvise or always",
        found: "never",
        remedy: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root")
    ]
  }
}
