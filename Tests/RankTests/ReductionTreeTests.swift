import Testing

@testable import Collectives

@Suite("The reduction tree, without MPI")
struct ReductionTreeTests {
  static let rankCounts = Array(1...17) + [31, 32, 33, 64, 100]

  @Test("the default number of parts is the next power of two")
  func defaultParts() {
    let expected = [1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 7: 8, 8: 8, 9: 16, 64: 64, 65: 128]
    for (ranks, parts) in expected {
      #expect(ReductionTree.defaultParts(ranks: ranks) == parts)
    }
  }

  @Test("every part belongs to one rank, in rank order", arguments: rankCounts)
  func partsPartition(ranks: Int) {
    for factor in [1, 2, 4] {
      let tree = ReductionTree(
        parts: factor * ReductionTree.defaultParts(ranks: ranks), ranks: ranks)
      let parts = (0..<ranks).flatMap { tree.parts(of: $0) }
      #expect(parts == Array(0..<tree.partCount))
    }
  }

  @Test(
    "a rank's parts are a complete subtree, and no rank has over twice another's",
    arguments: rankCounts)
  func subtrees(ranks: Int) {
    let tree = ReductionTree(parts: 4 * ReductionTree.defaultParts(ranks: ranks), ranks: ranks)
    let counts = (0..<ranks).map { tree.parts(of: $0).count }
    for rank in 0..<ranks {
      #expect(counts[rank].nonzeroBitCount == 1)
      #expect(tree.parts(of: rank).lowerBound.isMultiple(of: counts[rank]))
    }
    #expect((counts.max() ?? 0) <= 2 * (counts.min() ?? 0))
  }

  @Test("three ranks and eight parts are divided as documented")
  func documentedExample() {
    let tree = ReductionTree(parts: 8, ranks: 3)
    #expect((0..<3).map { tree.parts(of: $0) } == [0..<2, 2..<4, 4..<8])
  }

  @Test("what one rank sends is what its peer receives at that step", arguments: rankCounts)
  func stepsMatch(ranks: Int) {
    let tree = ReductionTree(parts: ReductionTree.defaultParts(ranks: ranks), ranks: ranks)
    for count in [0, 1, 2, 3, ranks - 1, ranks, 1001] {
      for index in 0..<tree.stepCount {
        let steps = (0..<ranks).map { tree.step(index, of: $0, count: count) }
        for (rank, step) in steps.enumerated() where !step.send.isEmpty {
          #expect(steps[step.peer].peer == rank)
          #expect(steps[step.peer].receive == step.send)
        }
        for (rank, step) in steps.enumerated() where !step.receive.isEmpty {
          #expect(steps[step.peer].peer == rank)
          #expect(steps[step.peer].send == step.receive)
        }
      }
    }
  }

  /// The exchange in memory: a value is the expression that made it, so the order of the operands
  /// of an addition is normalised and everything else about the tree shows.
  @Test(
    "the steps make the tree's expression on every rank for every element", arguments: rankCounts)
  func stepsMakeTheTree(ranks: Int) {
    let tree = ReductionTree(parts: 2 * ReductionTree.defaultParts(ranks: ranks), ranks: ranks)
    for count in [0, 1, 2, 3, 19] {
      var buffers = (0..<ranks).map { rank in
        [String](repeating: Self.expression(tree.parts(of: rank)), count: count)
      }
      for index in 0..<tree.stepCount {
        let before = buffers
        for rank in 0..<ranks {
          let step = tree.step(index, of: rank, count: count)
          for i in step.receive {
            let incoming = before[step.peer][i]
            buffers[rank][i] =
              step.adds ? Self.sum(before[rank][i], incoming) : incoming
          }
        }
      }
      let expected = Self.expression(0..<tree.partCount)
      #expect(
        buffers == [[String]](repeating: .init(repeating: expected, count: count), count: ranks))
    }
  }

  /// ((p0+p1)+(p2+p3)) for 0..<4.
  private static func expression(_ parts: Range<Int>) -> String {
    if parts.count == 1 { return "p" + paddedNumber(parts.lowerBound) }
    let middle = parts.lowerBound + parts.count / 2
    return sum(expression(parts.lowerBound..<middle), expression(middle..<parts.upperBound))
  }

  /// Addition commutes, so the operand with the earlier first part is written first.
  private static func sum(_ a: String, _ b: String) -> String {
    let firstPart = { (text: String) in text.drop { $0 == "(" }.prefix(4) }
    return firstPart(a) < firstPart(b) ? "(\(a)+\(b))" : "(\(b)+\(a))"
  }

  private static func paddedNumber(_ number: Int) -> String {
    String(String(number + 1000).dropFirst())
  }
}
