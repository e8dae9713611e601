import Foundation
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
    let pids = try communicator.gatherAll(Array("\(getpid())".utf8)).map {
      Int32(String(decoding: $0, as: UTF8.self)) ?? 0
    }
    // Hosts may share a name, and containers on one host need not share process numbers.
    let world = try communicator.gatherAll(Array(Self.processWorld().utf8))
    let here = world.indices.filter {
      world[$0] == world[communicator.rank] && hosts[$0] == communicator.host
    }
    let first = here.first ?? communicator.rank
    let others = communicator.rank == first ? here.filter { $0 != first } : [first]
    // Whatever hides them, processes that are not seen are left alone.
    processes = others.map { ($0, pids[$0]) }.filter { Self.isRunning($0.1) }
  }

  /// The first rank whose process has ended.
  func firstGone() -> Int? { processes.first { !Self.isRunning($0.pid) }?.rank }

  /// What is the same for processes that see each other by the same numbers: the boot of the kernel
  /// and the PID namespace.
  static func processWorld() -> String {
    let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
    let space = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
    return (boot ?? "") + (space ?? "")
  }

  /// Any failure but that the process is not there, such as too many open files, says nothing of it.
  private static func isRunning(_ pid: Int32) -> Bool {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return errno != ENOENT }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    guard fgets(&line, Int32(line.count), file) != nil else { return errno != ESRCH }
    // PID (NAME) STATE ..; the name may hold anything.
    let text = line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    guard let end = text.lastIndex(of: UInt8(ascii: ")")), end + 2 < text.count else {
      return true
    }
    return text[end + 2] != UInt8(ascii: "Z") && text[end + 2] != UInt8(ascii: "X")
  }
}
