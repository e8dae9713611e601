import Glibc

/// A request to stop: a signal (SIGTERM, SIGINT or SIGUSR1), or a time limit that draws near.
///
/// The handler only sets a flag, which is asked for between steps and between the batches of an
/// evaluation. The signals cannot be blocked and polled instead, because OpenBLAS has started threads
/// with the default mask before main runs. A second signal ends the process at once; one that comes
/// within a second counts as the first, because a batch system may send it to mpirun, which passes it
/// on, and to the ranks as well.
package struct Interruption: Sendable {
  private let deadline: Deadline?

  /// - Parameter deadline: when the job will be ended from outside.
  package init(deadline: Deadline? = nil) {
    self.deadline = deadline
    var action = sigaction()
    action.__sigaction_handler.sa_handler = noteSignal
    action.sa_flags = SA_RESTART
    for signal in [SIGTERM, SIGINT, SIGUSR1] { sigaction(signal, &action, nil) }
  }

  /// Whether a signal arrived since the process started.
  package var isSignalled: Bool { signalReceived != 0 }

  /// Whether it is time to stop.
  ///
  /// - Parameter reserve: what a last step and a checkpoint take.
  package func isRequested(reserve: Duration) -> Bool {
    isSignalled || deadline.map { $0.remaining < reserve } ?? false
  }

  /// What asked for it, for a message.
  ///
  /// - Parameter reserve: as for ``isRequested(reserve:)``.
  package func reason(reserve: Duration) -> String {
    switch signalReceived {
    case SIGTERM: return "SIGTERM"
    case SIGINT: return "SIGINT"
    case SIGUSR1: return "SIGUSR1"
    default: break
    }
    guard let deadline, deadline.remaining < reserve else { return "a signal to another rank" }
    return deadline.source
  }
}

/// Thrown out of work that a request to stop cuts short; nothing is lost by it.
struct Interrupted: Error, CustomStringConvertible {
  /// For what comes before the first step; later the trainer says more.
  let description = "stopped before the first step; run the same command again"
}

// A handler has no context to find its flag by: these are the only globals of the module.
private nonisolated(unsafe) var signalReceived: sig_atomic_t = 0
/// Milliseconds of the monotonic clock.
private nonisolated(unsafe) var signalTime = 0

/// Calls nothing but what POSIX allows in a handler.
private func noteSignal(_ signal: Int32) {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  let milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1_000_000
  if signalReceived == 0 {
    // In this order: another thread may be handling another signal.
    signalTime = milliseconds
    signalReceived = signal
  } else if milliseconds - signalTime > 1000 {
    _exit(128 + signal)
  }
}
