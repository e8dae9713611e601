import Testing

@testable import Shards

@Suite struct EpochOrderTests {
  private func order(_ rows: Int, seed: UInt64) -> [Int] {
    var generator = SplitMix(seed)
    return EpochOrder(rows: rows, using: &generator)[0..<rows]
  }

  @Test("Every row comes once", arguments: [0, 1, 2, 3, 17, 6838])
  func permutation(rows: Int) {
    #expect(order(rows, seed: 7).sorted() == Array(0..<rows))
  }

  @Test("The same stream gives the same order, another stream another")
  func pure() {
    #expect(order(1000, seed: 42) == order(1000, seed: 42))
    #expect(order(1000, seed: 42) != order(1000, seed: 43))
  }

  @Test("The algorithm is fixed: these orders may never change")
  func fixed() {
    #expect(order(10, seed: 42) == [8, 3, 6, 5, 4, 0, 9, 2, 1, 7])
  }

  @Test("The draw is Lemire's: upper half of the product, biased lower halves drawn again")
  func draw() {
    struct Fixed: RandomNumberGenerator {
      var values: [UInt64]
      mutating func next() -> UInt64 { values.removeFirst() }
    }
    // Rows 3: below 3 first, where 2^64 mod 3 = 1 and 0 * 3 has the lower half 0: drawn again.
    // 2^63 * 3 = 1 * 2^64 + 2^63: index 1. Below 2: 2^64 - 1 gives index 1.
    var generator = Fixed(values: [0, 1 << 63, .max])
    #expect(EpochOrder(rows: 3, using: &generator)[0..<3] == [0, 2, 1])
    #expect(generator.values.isEmpty)
  }

  @Test("Every order is equally likely")
  func uniform() {
    var counts: [[Int]: Int] = [:]
    var generator = SplitMix(1)
    for _ in 0..<24_000 {
      counts[EpochOrder(rows: 4, using: &generator)[0..<4], default: 0] += 1
    }
    #expect(counts.count == 24)
    // 1,000 each, with a standard deviation of about 31.
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 155 })
  }
}
