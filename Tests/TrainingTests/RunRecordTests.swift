import Foundation
import TensorBoard
import Testing

@testable import Training

@Suite struct RunRecordTests {
  @Test("a timing record has the documented keys, and plots means over ranks and steps")
  func timing() throws {
    let record = TimingRecord(
      step: 20, epoch: 0.5, steps: 4, seconds: 2, tokens: 1000, tokensPerSecond: 500,
      phasesByRank: .init(
        data: [0.1, 0.3], forward: [0.4, 0.4], backward: [0.8, 0.8], exchange: [0.5, 0.3],
        optimizer: [0, 0]))
    let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(record))
    let keys = (object as? [String: Any])?.keys.sorted()
    #expect(
      keys
        == [
          "epoch", "event", "phases_by_rank", "seconds", "step", "steps", "tokens",
          "tokens_per_second",
        ])
    let scalars = Dictionary(
      uniqueKeysWithValues: record.scalars(labels: []).map { ($0.tag, $0.value) })
    #expect(scalars["train/tokens_per_second"] == 500)
    #expect(scalars["phases/data"] == 0.05)
    #expect(scalars["phases/exchange"] == 0.1)
    #expect(scalars.count == 6)
  }

  @Test("an evaluation plots every number by its path, and nothing for what is undefined")
  func evaluation() throws {
    // Two rows; nothing is true, so that there is no area under a curve.
    let metrics = MultiLabelMetrics(
      logits: [2, -2, -2, -2], labels: [0, 0, 0, 0], labelCount: 2)
    let record = EvaluationRecord(
      step: 3, epoch: 1, trainLoss: 0.75, metrics: metrics, seconds: 2, tokensPerSecond: 9,
      peakMegabytes: 100)
    let scalars = Dictionary(
      uniqueKeysWithValues: try record.scalars(labels: ["joy", "anger"]).map { ($0.tag, $0.value) })
    let perLabel = ["precision", "recall", "f1", "support"].flatMap { score in
      ["joy", "anger"].map { "eval/per_label/\(score)/\($0)" }
    }
    #expect(
      Set(scalars.keys)
        == Set(perLabel).union([
          "eval/loss", "eval/f1", "eval/f1_macro", "eval/accuracy", "eval/jaccard",
          "eval/seconds", "eval/train_loss", "memory/peak_rss_mb",
        ]))
    #expect(abs((scalars["eval/loss"] ?? 0) - metrics.loss) < 1e-12)
    #expect(scalars["eval/accuracy"] == 0.5)
    #expect(scalars["eval/train_loss"] == 0.75)
    #expect(scalars["memory/peak_rss_mb"] == 100)
  }

  @Test("steps to trace are a step, a range or several, in order and apart")
  func tracedSteps() {
    #expect(TracedSteps("20")?.ranges == [20...20])
    #expect(TracedSteps("20:25,400")?.ranges == [20...25, 400...400])
    #expect(TracedSteps("20:25,400")?.description == "20:25,400")
    #expect(TracedSteps("20:25,26")?.range(of: 26) == 26...26)
    #expect(TracedSteps("20:25")?.range(of: 26) == nil)
    for text in ["", "0", "-1", "5:4", "a", "1:2:3", "1,", "7,5", "3:6,6", "1:", ":4"] {
      #expect(TracedSteps(text) == nil, "\(text)")
    }
  }

  @Test("about a hundred timing records, one a step in a short run")
  func interval() {
    #expect(StepTiming.interval(total: 1) == 1)
    #expect(StepTiming.interval(total: 199) == 1)
    #expect(StepTiming.interval(total: 5000) == 50)
  }
}
