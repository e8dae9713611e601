import Glibc

/// A request to stop by SIGTERM, SIGINT or SIGUSR1, asked for between steps.
///
/// The handler only sets a flag: a step, an evaluation or a save in progress is finished first. The
/// signals cannot be blocked and polled instead, because OpenBLAS has started threads with the
/// default mask before main runs.
package struct Interruption {
  package init() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in signalReceived = signal }
    action.sa_flags = SA_RESTART
    for signal in [SIGTERM, SIGINT, SIGUSR1] { sigaction(signal, &action, nil) }
  }

  /// Whether a signal arrived since the process started.
  package var isRequested: Bool { signalReceived != 0 }
}

/// A handler has no context to find its flag by: this is the one global of the module.
private nonisolated(unsafe) var signalReceived: sig_atomic_t = 0
