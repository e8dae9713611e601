import ArgumentParser
import Collectives
import Training

/// Does a command's work on every rank that a launcher started, or in this process alone.
///
/// - Parameters:
///   - patience: How long a rank may give no sign of life.
///   - work: Collective; an error that it throws comes from `Communicator.agree`, so that every rank
///     throws it.
///   - show: Called on rank 0.
func onEveryRank<Result>(
  patience: Duration = .seconds(300), _ work: (Communicator) throws -> Result,
  show: (Result) throws -> Void
) throws {
  let communicator = try Communicator(exitCode: ExitCodes.code)
  do {
    try communicator.watch(patience: patience, isStopRequested: { false })
    let result = try work(communicator)
    if communicator.rank == 0 { try show(result) }
  } catch {
    let code = ExitCodes.code(for: error)
    // What MPI returned on one rank the others do not know of: they wait for it.
    if error is CollectiveError {
      communicator.abort(code: code, message: "lockstep: error: \(error)")
    }
    if communicator.rank == 0 { Lockstep.writeError(error) }
    communicator.finalize()
    throw ArgumentParser.ExitCode(code)
  }
  communicator.finalize()
}
