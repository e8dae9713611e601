import Collectives

/// What a process exits with: sysexits.h's numbers, for the reasons that DESIGN names.
package enum ExitCodes {
  package static let usage: Int32 = 64
  package static let data: Int32 = 65
  package static let internalError: Int32 = 70
  /// The run saved and stopped: the same command goes on.
  package static let interrupted: Int32 = 75

  /// Every error type of a module is about what it was given to read or write; those of a command's
  /// flags say so themselves.
  package static func code(for error: any Error) -> Int32 {
    switch error {
    case let error as TrainingError:
      switch error.kind {
      case .usage: usage
      case .data: data
      case .machine: internalError
      }
    case is Interrupted: interrupted
    case let error as PeerFailed: error.exitCode
    case is CollectiveError: internalError
    default: data
    }
  }
}

extension Communicator {
  /// Runs what can fail on one rank alone while the others are on their way into an exchange: a throw
  /// becomes a message that names the rank, and ends the job.
  func orAbort<Value>(_ body: () throws -> Value) -> Value {
    do {
      return try body()
    } catch {
      abort(
        code: ExitCodes.code(for: error),
        message: "lockstep: error: rank \(rank) on \(host): \(error)")
    }
  }
}
