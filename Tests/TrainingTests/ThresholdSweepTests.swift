import Testing
import Training

@Suite struct ThresholdSweepTests {
  @Test("a sweep has at every threshold what metrics at that threshold have")
  func agreesWithMetrics() {
    let logits = (0..<200).map { Float(($0 * 37) % 101) / 12 - 4 }
    let labels = (0..<200).map { Float(($0 * 13) % 7 < 3 ? 1 : 0) }
    let sweep = MultiLabelMetrics(logits: logits, labels: labels, labelCount: 4).sweep
    #expect(sweep.thresholds.count == 19)
    for (index, threshold) in sweep.thresholds.enumerated() {
      let metrics = MultiLabelMetrics(
        logits: logits, labels: labels, labelCount: 4, threshold: threshold)
      #expect(sweep.f1[index] == metrics.f1, "at \(threshold)")
    }
    #expect(Set(sweep.f1).count > 10)
  }

  @Test("a probability that is a threshold counts; without a true label all scores are 0")
  func edges() {
    let sweep = ThresholdSweep(probabilities: [0.5, 0.1], truth: [true, true])
    let half = sweep.thresholds.firstIndex(of: 0.5) ?? 0
    #expect(sweep.recall[half] == 0.5)
    #expect(sweep.recall[half + 1] == 0)
    #expect(sweep.recall[0] == 1)
    let none = ThresholdSweep(probabilities: [0.5], truth: [false])
    #expect(none.f1.allSatisfy { $0 == 0 } && none.recall.allSatisfy { $0 == 0 })
  }
}
