import Testing

@testable import Shards

@Suite struct BisectionTests {
  private func loads(_ parts: [[Int]], _ lengths: [Int]) -> [Int] {
    parts.map { $0.reduce(0) { $0 + lengths[$1] } }
  }

  /// Lengths as SemEval's tweets have them: about 5 to 60 tokens, mean about 28.
  private func tweetLengths(_ count: Int, using generator: inout SplitMix) -> [Int] {
    (0..<count).map { _ in
      5 + (0..<4).reduce(0) { sum, _ in sum + Int.random(in: 0...12, using: &generator) }
    }
  }

  @Test(
    "Parts hold every row once, ascending",
    arguments: [0, 1, 2, 3, 7, 8, 9, 64, 257], [1, 2, 4, 8, 16])
  func partition(rows: Int, parts: Int) {
    var generator = SplitMix(UInt64(rows))
    let lengths = tweetLengths(rows, using: &generator)
    let found = bisect(lengths: lengths, parts: parts)
    #expect(found.count == parts)
    #expect(found.flatMap(\.self).sorted() == Array(0..<rows))
    #expect(found.allSatisfy { $0 == $0.sorted() })
    #expect(found == bisect(lengths: lengths, parts: parts))
  }

  @Test("Each level of the tree is the level above, halved")
  func tree() {
    var generator = SplitMix(3)
    let lengths = tweetLengths(31, using: &generator)
    let eight = bisect(lengths: lengths, parts: 8)
    let four = bisect(lengths: lengths, parts: 4)
    for part in 0..<4 {
      #expect((eight[2 * part] + eight[2 * part + 1]).sorted() == four[part])
    }
  }

  @Test(
    "Random batches of tweets balance",
    arguments: [
      (8, 2, 1.03), (8, 4, 1.13), (8, 8, 1.5), (32, 2, 1.01), (32, 4, 1.02), (32, 8, 1.05),
    ])
  func balance(rows: Int, parts: Int, goal: Double) {
    var generator = SplitMix(11)
    var sum = 0.0
    for _ in 0..<1000 {
      let lengths = tweetLengths(rows, using: &generator)
      let loads = loads(bisect(lengths: lengths, parts: parts), lengths)
      let mean = Double(lengths.reduce(0, +)) / Double(parts)
      sum += Double(loads.max() ?? 0) / mean
    }
    print("bisection: batch \(rows), \(parts) parts: largest part / mean \(sum / 1000)")
    #expect(sum / 1000 < goal)
  }

  @Test("Fewer rows than parts: one row each, the rest empty")
  func fewRows() {
    let found = bisect(lengths: [10, 20, 30], parts: 8)
    #expect(found.filter { $0.count == 1 }.count == 3)
    #expect(found.filter(\.isEmpty).count == 5)
    #expect(bisect(lengths: [], parts: 4) == [[], [], [], []])
    #expect(bisect(lengths: [5], parts: 2) == [[0], []])
  }

  @Test("One huge row is alone in its half")
  func hugeRow() {
    #expect(bisect(lengths: [3, 4, 1000, 5, 6], parts: 2) == [[2], [0, 1, 3, 4]])
  }

  @Test("Rows of equal length, also of none, are dealt evenly")
  func equalRows() {
    #expect(bisect(lengths: [0, 0, 0, 0], parts: 4).map(\.count) == [1, 1, 1, 1])
    #expect(bisect(lengths: [7, 7, 7, 7, 7, 7, 7, 7], parts: 4).map(\.count) == [2, 2, 2, 2])
  }
}
