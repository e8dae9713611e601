import CHDF5
import Synchronization

/// Serialises the library: HDF5 keeps process-wide tables, and many builds of it are not
/// thread-safe. The lock is held for a call, never across calls.
private let libraryLock = Mutex(false)

/// Runs `body`, which calls the C library and nothing else, with the library open and silent.
func withLibrary<R>(_ body: () -> R) -> R {
  libraryLock.withLock { isOpen in
    open(&isOpen)
    return body()
  }
}

/// Runs one C call, and throws the innermost message of the error stack when it answers a
/// negative number, which is how every HDF5 function fails.
func check<R: SignedInteger>(
  _ place: @autoclosure () -> String, _ expected: @autoclosure () -> String,
  remedy: @autoclosure () -> String = "check that the file is whole", _ body: () -> R
) throws(HDF5Error) -> R {
  let (result, message) = libraryLock.withLock { isOpen -> (R, String) in
    open(&isOpen)
    let result = body()
    return (result, result < 0 ? innermostMessage() : "")
  }
  guard result < 0 else { return result }
  throw HDF5Error(
    place: place(), expected: expected(),
    found: message.isEmpty ? "an HDF5 failure without a message" : message, remedy: remedy())
}

private func open(_ isOpen: inout Bool) {
  if !isOpen {
    // A failure here shows again, with its message, in the call that follows.
    _ = lockstep_open_library()
    isOpen = true
  }
  lockstep_silence_errors()
}

/// What the library says of the cause, as one line.
///
/// Of a failed system call that is the system's reason alone: the rest of the library's message is
/// the time, buffer addresses and the path again.
private func innermostMessage() -> String {
  let message = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
    guard let text = buffer.baseAddress else { return "" }
    lockstep_innermost_error(text, buffer.count)
    return String(cString: text)
  }
  if let start = message.firstRange(of: "error message = '")?.upperBound {
    return String(message[start...].prefix { $0 != "'" })
  }
  return String(message.map { $0.isNewline ? " " : $0 })
}
