import COpenMPI
import Glibc

/// The ranks of one job and what they do together.
///
/// One main thread makes every call, in the same order on every rank. Without a launcher the
/// communicator has one rank and MPI is never started: Open MPI would start a daemon for the single
/// process, which takes a third of a second and fails where neither ssh nor rsh is installed.
///
/// MPI's errors are returned as ``CollectiveError`` rather than ending the process. After one of
/// them the state of the exchange is undefined: report it and call ``abort(code:)``.
package final class Communicator {
  /// The number of ranks that the launcher's environment announces; nil without a launcher.
  package static var launcherSize: Int? { Launcher.current?.size }
  /// The variable that announces it; nil without a launcher.
  package static var launcherSource: String? { Launcher.current?.source }
  /// This process's rank by the launcher's environment; nil without a launcher.
  package static var launcherRank: Int? { Launcher.current?.rank }

  /// This process, 0..<size.
  package let rank: Int
  /// The number of ranks.
  package let size: Int
  /// This process among the ranks that share its memory, 0..<localSize.
  package let localRank: Int
  /// The number of ranks that share this one's memory.
  package let localSize: Int
  /// The name of the machine that this rank runs on.
  package let host: String

  /// What the process exits with for an error that ``agree(_:)`` reports to the other ranks.
  let exitCode: (any Error) -> Int32
  /// The longest message in elements, for MPI counts in 32-bit integers; a check of what happens
  /// beyond it lowers it.
  package var largestMessage = 1 << 30
  /// nil before ``watch(patience:isStopRequested:)``, and in a job of one rank.
  package private(set) var heartbeats: Heartbeats?
  /// Where this rank records what it does; nil for nowhere.
  package var timeline: Timeline?
  /// Whether MPI was started and has not ended.
  private(set) var usesMPI: Bool

  /// Joins the job that the launcher started.
  ///
  /// - Parameter exitCode: the command line's mapping from errors to exit codes; by default 65,
  ///   bad data.
  /// - Throws: when MPI cannot start with threads, or when a launcher announces several ranks and
  ///   this process is alone, for each of them would then train on everything by itself and
  ///   overwrite the others.
  ///   An error inside MPI_Init itself ends the process: no error handler can be set before it.
  package init(
    exitCode: @escaping (any Error) -> Int32 = { _ in 65 }
  ) throws(CollectiveError) {
    self.exitCode = exitCode
    host = Self.hostName()
    guard let launcher = Launcher.current else {
      (rank, size, localRank, localSize) = (0, 1, 0, 1)
      usesMPI = false
      return
    }
    try Self.startMPI(host: host)
    let world = lockstep_comm_world()
    (rank, size) = try Self.rankAndSize(of: world, host: host)
    (localRank, localSize) = try Self.placeOnNode(world, rank: rank, host: host)
    usesMPI = true
    if size == 1, launcher.size > 1 {
      MPI_Finalize()
      usesMPI = false
      throw CollectiveError(
        place: "launcher on \(host)",
        expected: "\(launcher.size) ranks (\(launcher.source)=\(launcher.size))",
        found: "a communicator of 1",
        remedy:
          "start with Open MPI 4's own mpirun, or under Slurm with srun --mpi=pmix or --mpi=pmi2")
    }
  }

  /// Leaves the job; every rank calls it once, after its files are durable. Nothing may follow.
  package func finalize() {
    guard usesMPI else { return }
    heartbeats?.close()
    heartbeats = nil
    usesMPI = false
    MPI_Finalize()
  }

  /// Ends every rank of the job at once, after flushing this one's output.
  ///
  /// - Parameters:
  ///   - code: what mpirun exits with.
  ///   - message: a line for standard error, if any.
  package func abort(code: Int32, message: String? = nil) -> Never {
    fflush(nil)
    if var line = message.map({ $0 + "\n" }) {
      _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
    if usesMPI {
      // Should MPI_Abort hang, the alarm ends this process. mpirun forwards what a rank writes as it
      // gets to it, and drops what is left when the job ends.
      alarm(5)
      heartbeats?.announceEnd()
      usleep(200_000)
      MPI_Abort(lockstep_comm_world(), code)
    }
    _exit(code)
  }

  /// Watches over the other ranks from now on; a collective call. See ``Heartbeats``.
  ///
  /// - Parameters:
  ///   - patience: how long a rank may give no sign of life; nil for ever.
  ///   - isStopRequested: whether this rank was asked to stop.
  package func watch(
    patience: Duration?, isStopRequested: @escaping () -> Bool
  ) throws(CollectiveError) {
    guard size > 1 else { return }
    heartbeats = try Heartbeats(self, patience: patience, isStopRequested: isStopRequested)
  }

  /// Says what this rank does from now on.
  ///
  /// - Parameter step: the global step, from 1; 0 before the first.
  package func enter(_ phase: String, step: Int = 0) { heartbeats?.enter(phase, step: step) }

  /// Notes that this rank got a piece of work done; cheap enough for every layer of a model.
  package func worked() { heartbeats?.worked() }

  /// Notes that this rank is there but waits, for a disk say: others are not to blame it, unless
  /// nobody else gets anything done either.
  package func waited() { heartbeats?.waited() }

  /// Turns an MPI return code into an error that names the call, this rank and its host.
  func check(_ code: Int32, _ call: String) throws(CollectiveError) {
    try Self.check(code, call, place: "rank \(rank) on \(host)")
  }
}

extension Communicator {
  private static func startMPI(host: String) throws(CollectiveError) {
    var provided: Int32 = 0
    let funneled = Int32(MPI_THREAD_FUNNELED)
    try check(MPI_Init_thread(nil, nil, funneled, &provided), "MPI_Init_thread", place: host)
    guard provided >= funneled else {
      MPI_Finalize()
      throw CollectiveError(
        place: host, expected: "an MPI library that allows threads (MPI_THREAD_FUNNELED)",
        found: "thread level \(provided)", remedy: "install Open MPI built with thread support")
    }
    // On the world communicator every other one inherits it.
    try check(
      MPI_Comm_set_errhandler(lockstep_comm_world(), lockstep_errors_return()),
      "MPI_Comm_set_errhandler", place: host)
  }

  private static func rankAndSize(
    of communicator: MPI_Comm?, host: String
  ) throws(CollectiveError) -> (Int, Int) {
    var (rank, size): (Int32, Int32) = (0, 0)
    try check(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank", place: host)
    try check(MPI_Comm_size(communicator, &size), "MPI_Comm_size", place: host)
    return (Int(rank), Int(size))
  }

  private static func placeOnNode(
    _ world: MPI_Comm?, rank: Int, host: String
  ) throws(CollectiveError) -> (Int, Int) {
    var node: MPI_Comm?
    let sharedMemory = Int32(MPI_COMM_TYPE_SHARED)
    try check(
      MPI_Comm_split_type(world, sharedMemory, Int32(rank), lockstep_info_null(), &node),
      "MPI_Comm_split_type", place: host)
    let place = try rankAndSize(of: node, host: host)
    try check(MPI_Comm_free(&node), "MPI_Comm_free", place: host)
    return place
  }

  private static func check(
    _ code: Int32, _ call: String, place: String
  ) throws(CollectiveError) {
    guard code != MPI_SUCCESS else { return }
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
      var length: Int32 = 0
      MPI_Error_string(code, buffer.baseAddress, &length)
      return String(decoding: UnsafeRawBufferPointer(buffer).prefix(Int(length)), as: UTF8.self)
    }
    throw CollectiveError(
      place: place, expected: "\(call) to succeed", found: text,
      remedy: "see the other ranks' messages and the launcher's for the first failure")
  }

  private static func hostName() -> String {
    // One byte stays zero: POSIX leaves a truncated name without its terminator.
    var name = [UInt8](repeating: 0, count: 256)
    name.withUnsafeMutableBytes { bytes in
      _ = bytes.withMemoryRebound(to: CChar.self) { gethostname($0.baseAddress!, $0.count - 1) }
    }
    return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
  }
}
