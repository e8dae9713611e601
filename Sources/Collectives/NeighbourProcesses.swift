import Glibc

/// The processes of other ranks on this node, looked at through /proc.
///
/// The first rank of a node looks at the node's others, and they look at it.
struct NeighbourProcesses {
  private let processes: [(rank: Int, pid: Int32)]

  /// A collective call.
  ///
  /// - Parameter hosts: by rank.
  init(_ communicator: Communicator, hosts: [String]) throws(CollectiveError) {
    let own = withUnsafeBytes(of: getpid().littleEndian) { Array($0) }
    let pids = try communicator.gatherAll(own).map { bytes in
      bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }.map { Int32(bitPattern: $0) }
    let here = hosts.indices.filter { hosts[$0] == communicator.host }
    let first = here.first ?? communicator.rank
    let others = communicator.rank == first ? here.filter { $0 != first } : [first]
    // Ranks in containers of their own do not see each other's processes: those are left alone.
    processes = others.map { ($0, pids[$0]) }.filter { Self.isRunning($0.1) }
  }

  /// The first rank whose process has ended.
  func firstGone() -> Int? { processes.first { !Self.isRunning($0.pid) }?.rank }

  private static func isRunning(_ pid: Int32) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return false }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    guard fgets(&line, Int32(line.count), file) != nil else { return false }
    // PID (NAME) STATE ..; the name may hold anything.
    let text = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    guard let end = text.lastIndex(of: UInt8(ascii: ")")), end + 2 < text.count else {
      return false
    }
    return text[end + 2] != UInt8(ascii: "Z") && text[end + 2] != UInt8(ascii: "X")
  }
}
