import Testing

@testable import Training

@Suite struct SharedEvaluationTests {
  @Test(
    "ranks share an evaluation by whole batches, each row once and in order",
    arguments: [0, 1, 31, 32, 33, 104, 1000, 6838])
  func shares(rows: Int) {
    for ranks in 1...9 {
      let shares = (0..<ranks).map { Evaluator.share(of: $0, among: ranks, rows: rows) }
      #expect(shares.flatMap(Array.init) == Array(0..<rows), "\(ranks) ranks")
      // A batch that began elsewhere would give other bits.
      for share in shares where !share.isEmpty { #expect(share.lowerBound % 32 == 0) }
      let batches = shares.map { ($0.count + 31) / 32 }
      #expect((batches.max() ?? 0) - (batches.min() ?? 0) <= 1, "\(ranks) ranks: \(batches)")
    }
  }
}
