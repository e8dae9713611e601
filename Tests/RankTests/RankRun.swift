import Foundation
import Testing

/// Every suite that starts mpirun extends this one, so that one job runs at a time: its ranks alone
/// are more than most machines have cores.
@Suite("Ranks", .serialized)
enum RankTests {}

/// One run of a program on several ranks: its exit status and all that it printed.
struct RankRun {
  let status: Int32
  let output: String
  let seconds: Double

  /// The executable that Package.swift builds from Tests/RankChecks, beside this test binary.
  static let rankChecks = "rank-checks"

  /// Runs `executable` under mpirun and waits for it.
  ///
  /// A run that takes longer than `timeout` is ended by mpirun, with status 110.
  ///
  /// - Parameters:
  ///   - executable: a product of this package.
  ///   - ranks: for mpirun; nil runs the executable by itself.
  ///   - environment: variables beside this process's own.
  static func launch(
    _ executable: String = rankChecks, _ arguments: String..., ranks: Int?,
    environment: [String: String] = [:], timeout: Int = 120
  ) throws -> RankRun {
    // swift test runs the test binary itself, which lies beside the package's executables.
    let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent()
    let program = products.appending(path: executable)
    let process = Process()
    if let ranks {
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments =
        ["mpirun", "-n", "\(ranks)"] + mpirunOptions + ["--timeout", "\(timeout)", program.path]
        + arguments
    } else {
      process.executableURL = program
      process.arguments = arguments
    }
    process.environment = withoutLauncher(ProcessInfo.processInfo.environment)
      .merging(rootAllowance) { _, new in new }
      .merging(environment) { _, new in new }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    let start = ContinuousClock.now
    try process.run()
    // For the case that mpirun itself hangs; Process makes the child the leader of a group of its
    // own.
    let watchdog = DispatchWorkItem { kill(-process.processIdentifier, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(timeout + 20), execute: watchdog)
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    watchdog.cancel()
    return RankRun(
      status: process.terminationStatus, output: String(decoding: output, as: UTF8.self),
      seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// More ranks than cores, on no core in particular, yielding while they wait; over shared memory
  /// and without the ptrace permission that containers deny.
  private static let mpirunOptions = [
    "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1",
    "--mca", "pml", "ob1", "--mca", "btl", "self,vader",
    "--mca", "btl_vader_single_copy_mechanism", "none",
  ]

  /// mpirun refuses to run as root, which tests in containers are, without both.
  private static let rootAllowance = [
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
  ]

  /// The environment without what a launcher around the tests, such as a Slurm step, has left in
  /// it.
  private static func withoutLauncher(_ environment: [String: String]) -> [String: String] {
    environment.filter { name, _ in
      !["OMPI_", "PMI_", "PMIX_", "SLURM_"].contains { name.hasPrefix($0) }
    }
  }
}
