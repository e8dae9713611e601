import Foundation
import Synchronization

/// Work on files that a thread of its own does, while the thread that began it goes on.
package final class BackgroundSave<Value: Sendable>: Sendable {
  private let written = Atomic<Int>(0)
  private let isFinished = Atomic<Bool>(false)
  private let outcome = Mutex<Result<Value, any Error>?>(nil)

  /// Starts `body`, which is given a closure to report the bytes that it has got done.
  package init(_ body: @escaping @Sendable (_ progress: (Int) -> Void) throws -> Value) {
    let thread = Thread { [self] in
      let result = Result { try body { written.add($0, ordering: .relaxed) } }
      outcome.withLock { $0 = result }
      isFinished.store(true, ordering: .releasing)
    }
    thread.name = "checkpoint"
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// The bytes that are done so far.
  package var bytesDone: Int { written.load(ordering: .relaxed) }

  /// What came of it; nil while it is under way.
  package var result: Result<Value, any Error>? {
    guard isFinished.load(ordering: .acquiring) else { return nil }
    return outcome.withLock { $0 }
  }
}
