import Synchronization
import Testing

@testable import Kernels

@Suite struct ThreadPoolTests {
  @Test("Every block runs exactly once, on a thread of the pool", arguments: [1, 2, 3, 5])
  func everyBlockOnce(threads: Int) {
    let pool = ThreadPool(threads: threads)
    for blocks in [0, 1, 2, 3, 7, 64, 1000] {
      let counts = Arena(count: blocks + 1)
      let strangers = Atomic<Int>(0)
      pool.run(blocks) { block, thread in
        counts.base[block] += 1
        if !(0..<threads).contains(thread) { strangers.add(1, ordering: .relaxed) }
      }
      #expect(counts.doubles == Array(repeating: 1, count: blocks) + [0])
      #expect(strangers.load(ordering: .relaxed) == 0)
    }
  }

  @Test("What is to happen after a run does, each time, and may itself use the pool")
  func afterRun() {
    let pool = ThreadPool(threads: 3)
    var order: [String] = []
    var isInside = false
    pool.afterRun = {
      order.append(isInside ? "inner end" : "end")
      guard !isInside else { return }
      isInside = true
      pool.run(4) { _, _ in }
      isInside = false
    }
    for _ in 0..<2 {
      pool.run(1) { _, _ in order.append("run") }
    }
    #expect(order == ["run", "end", "inner end", "run", "end", "inner end"])
  }

  @Test("No two blocks at a time share a thread number")
  func threadNumbersAreExclusive() {
    let pool = ThreadPool(threads: 4)
    let inUse = (0..<4).map { _ in Flag() }
    let clashes = Atomic<Int>(0)
    for _ in 0..<200 {
      pool.run(16) { _, thread in
        if inUse[thread].set.exchange(true, ordering: .acquiringAndReleasing) {
          clashes.add(1, ordering: .relaxed)
        }
        inUse[thread].set.store(false, ordering: .releasing)
      }
    }
    #expect(clashes.load(ordering: .relaxed) == 0)
  }

  @Test("A pool serves many short runs and runs after its workers fell asleep")
  func manyRuns() async throws {
    let pool = ThreadPool(threads: 3)
    let sum = Atomic<Int>(0)
    for _ in 0..<5000 { pool.run(3) { block, _ in sum.add(block + 1, ordering: .relaxed) } }
    try await Task.sleep(for: .milliseconds(30))
    for _ in 0..<10 {
      pool.run(3) { block, _ in sum.add(block + 1, ordering: .relaxed) }
      try await Task.sleep(for: .milliseconds(2))
    }
    #expect(sum.load(ordering: .relaxed) == 5010 * 6)
  }

  @Test("Ranges of a run cover the count in order of their blocks", arguments: [0, 1, 9, 10, 11])
  func ranges(count: Int) {
    let pool = ThreadPool(threads: 2)
    let owner = Arena(count: count + 1)
    pool.run(over: count, grain: 10) { range, _ in
      for i in range { owner.base[i] += Float(1 + i / 10) }
    }
    let expected = (0..<count).map { Double(1 + $0 / 10) }
    #expect(owner.doubles == expected + [0])
  }

  #if arch(x86_64)
    @Test("Every thread of a pool flushes subnormal numbers to zero")
    func flushesSubnormals() {
      let pool = ThreadPool(threads: 3)
      let tiny = Arena(count: 64)
      tiny.base.update(repeating: .leastNormalMagnitude, count: 64)
      pool.run(64) { block, _ in tiny.base[block] *= 0.5 }
      #expect(tiny.doubles.allSatisfy { $0 == 0 })
    }
  #endif

  @Test("An arena is zero-filled and aligned to a cache line", arguments: [0, 1, 1000, 3 << 20])
  func arena(count: Int) {
    let arena = Arena(count: count)
    #expect(arena.count == count)
    #expect(UInt(bitPattern: arena.base) % 64 == 0)
    #expect((0..<count).allSatisfy { arena.base[$0] == 0 })
  }
}

private final class Flag: Sendable {
  let set = Atomic<Bool>(false)
}
