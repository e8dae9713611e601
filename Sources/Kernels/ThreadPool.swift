import COpenBLAS
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A fixed team of threads, the caller among them, that works through numbered blocks.
///
/// Threads only pick blocks: what a block computes never depends on how many threads there are or
/// which of them runs it, so the bits of a result do not depend on `threads`. Every thread flushes
/// subnormals to zero.
///
/// An idle worker spins for some tens of microseconds, which spans the gap between two kernels of a
/// step, then sleeps until the next `run`. One `run` at a time: the pool belongs to one thread.
package final class ThreadPool: Sendable {
  /// Threads that work on a `run`, the caller included.
  package let threads: Int
  /// What matrix products of this pool's threads are made of.
  let kernel: TileKernel
  let workspace = Workspace()
  /// Called after every `run` by the thread that called that, the pool's owner, who alone sets it: for
  /// what has to happen often while kernels run.
  package nonisolated(unsafe) var afterRun: (() -> Void)?
  private let team: Team
  private let workers: [pthread_t]

  /// Starts `threads - 1` workers. `threads` must be at least 1.
  package convenience init(threads: Int) {
    self.init(threads: threads, kernel: TileKernel.available[0])
  }

  init(threads: Int, kernel: TileKernel) {
    precondition(threads >= 1, "a thread pool has at least one thread, not \(threads)")
    lockstep_flush_subnormals()
    self.threads = threads
    self.kernel = kernel
    let team = Team()
    self.team = team
    workers = (1..<threads).map { team.startWorker($0) }
  }

  deinit {
    team.stop()
    for worker in workers { pthread_join(worker, nil) }
  }

  /// Calls `body(block, thread)` once for each block in 0..<blocks, thread in 0..<threads, and
  /// returns when all are done. No two calls at a time have the same `thread`.
  package func run(_ blocks: Int, _ body: (_ block: Int, _ thread: Int) -> Void) {
    lockstep_flush_subnormals()
    if threads == 1 || blocks <= 1 {
      for block in 0..<max(blocks, 0) { body(block, 0) }
    } else {
      withoutActuallyEscaping(body) { body in
        withUnsafePointer(to: body) { team.run(blocks, $0) }
      }
    }
    afterRun?()
  }

  /// Calls `body(range, thread)` for consecutive ranges of `grain` indices that cover 0..<count.
  func run(over count: Int, grain: Int, _ body: (_ range: Range<Int>, _ thread: Int) -> Void) {
    run((count + grain - 1) / grain) { block, thread in
      body(block * grain..<min(count, (block + 1) * grain), thread)
    }
  }
}

/// What the caller and the workers share.
///
/// `ticket` holds the number of the job in its high half and the blocks nobody has taken in its low
/// half. A thread takes a block by decrementing it; only then may it read `job`, which the caller
/// leaves in place until `finished` has counted every block. A worker that wakes too late finds no
/// block and touches nothing, so the caller waits for blocks, never for sleepers.
private final class Team: @unchecked Sendable {
  typealias Body = (_ block: Int, _ thread: Int) -> Void

  private static let spins = 1000
  private let ticket = Atomic<UInt64>(0)
  private let finished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let stopping = Atomic<Bool>(false)
  private let running = Atomic<Bool>(false)
  private nonisolated(unsafe) var job: (body: UnsafePointer<Body>, blocks: Int)?
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    wake = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    wake.deallocate()
    mutex.deallocate()
  }

  func run(_ blocks: Int, _ body: UnsafePointer<Body>) {
    precondition(
      !running.exchange(true, ordering: .acquiring),
      "ThreadPool.run called inside or beside another run of the same pool")
    job = (body, blocks)
    finished.store(0, ordering: .relaxed)
    let number = (ticket.load(ordering: .relaxed) >> 32) &+ 1
    ticket.store(number << 32 | UInt64(blocks), ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 { wakeAll() }
    takeBlocks(thread: 0)
    var waits = 0
    while finished.load(ordering: .acquiring) < blocks {
      waits += 1
      // A worker that lost its core to another process needs this one to finish.
      if waits < 4 * Team.spins { lockstep_pause() } else { sched_yield() }
    }
    running.store(false, ordering: .releasing)
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    wakeAll()
  }

  func startWorker(_ number: Int) -> pthread_t {
    let start = Unmanaged.passRetained(WorkerStart(team: self, number: number))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        let start = Unmanaged<WorkerStart>.fromOpaque(argument!).takeRetainedValue()
        start.team.work(thread: start.number)
        return nil
      }, start.toOpaque())
    precondition(status == 0, "pthread_create failed with error \(status)")
    return thread
  }

  private func work(thread: Int) {
    lockstep_flush_subnormals()
    var idle = 0
    while !stopping.load(ordering: .relaxed) {
      if takeBlocks(thread: thread) {
        idle = 0
      } else if idle < Team.spins {
        idle += 1
        lockstep_pause()
      } else {
        sleep()
        idle = 0
      }
    }
  }

  /// Runs blocks of the current job until none is left; false if there was none.
  @discardableResult
  private func takeBlocks(thread: Int) -> Bool {
    var took = false
    var word = ticket.load(ordering: .acquiring)
    while word & 0xffff_ffff > 0 {
      let (taken, current) = ticket.weakCompareExchange(
        expected: word, desired: word - 1, ordering: .acquiringAndReleasing)
      if taken {
        perform(remaining: Int(word & 0xffff_ffff), thread: thread)
        finished.add(1, ordering: .releasing)
        took = true
        word = ticket.load(ordering: .acquiring)
      } else {
        word = current
      }
    }
    return took
  }

  /// Apart, so that its hold on the caller's closure is over before `finished` counts the block.
  @inline(never)
  private func perform(remaining: Int, thread: Int) {
    guard let job else { return }
    job.body.pointee(job.blocks - remaining, thread)
  }

  private func sleep() {
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while ticket.load(ordering: .sequentiallyConsistent) & 0xffff_ffff == 0,
      !stopping.load(ordering: .sequentiallyConsistent)
    {
      pthread_cond_wait(wake, mutex)
    }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }

  private func wakeAll() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(wake)
    pthread_mutex_unlock(mutex)
  }
}

private final class WorkerStart {
  let team: Team
  let number: Int

  init(team: Team, number: Int) {
    self.team = team
    self.number = number
  }
}
