import Foundation
import GoldenFolders
import Testing
import Training

@Suite struct MetricsTests {
  private struct Golden: Decodable {
    let multiLabel: [Case]
  }

  private struct Case: Decodable {
    let name: String
    let labels: [[Float]]
    let logits: [[Float]]
    let loss: Double
    let f1: Double
    let f1Macro: Double
    let rocAuc: Double?
    let rocAucScores: Double?
    let accuracy: Double
    let jaccard: Double
    let perLabel: LabelScores
  }

  @Test("multi-label metrics are scikit-learn's to 1e-6; an undefined area is nil")
  func matchesScikitLearn() throws {
    let url = URL(fileURLWithPath: Reference.fixtures + "/golden-metrics.json")
    let cases = try Reference.decoder.decode(Golden.self, from: Data(contentsOf: url)).multiLabel
    #expect(cases.count == 8)
    for golden in cases {
      let metrics = MultiLabelMetrics(
        logits: golden.logits.flatMap { $0 }, labels: golden.labels.flatMap { $0 },
        labelCount: golden.labels[0].count)
      func expectClose(_ what: String, _ actual: Double?, _ expected: Double?) {
        let close =
          actual == expected || abs((actual ?? .nan) - (expected ?? .nan)) <= 1e-6
        #expect(
          close,
          "\(golden.name): \(what) is \(String(describing: actual)), not \(String(describing: expected))"
        )
      }
      expectClose("loss", metrics.loss, golden.loss)
      expectClose("f1", metrics.f1, golden.f1)
      expectClose("f1_macro", metrics.f1Macro, golden.f1Macro)
      expectClose("roc_auc", metrics.rocAUC, golden.rocAuc)
      expectClose("roc_auc_scores", metrics.rocAUCScores, golden.rocAucScores)
      expectClose("accuracy", metrics.accuracy, golden.accuracy)
      expectClose("jaccard", metrics.jaccard, golden.jaccard)
      for label in golden.labels[0].indices {
        expectClose(
          "precision", metrics.perLabel.precision[label], golden.perLabel.precision[label])
        expectClose("recall", metrics.perLabel.recall[label], golden.perLabel.recall[label])
        expectClose("f1 of a label", metrics.perLabel.f1[label], golden.perLabel.f1[label])
      }
      #expect(metrics.perLabel.support == golden.perLabel.support)
    }
  }

  @Test("an undefined area is written as null, not left out")
  func writesNull() throws {
    let metrics = MultiLabelMetrics(logits: [1, -1], labels: [0, 0], labelCount: 2)
    let text = String(decoding: try JSONEncoder().encode(metrics), as: UTF8.self)
    #expect(text.contains("\"roc_auc\":null"))
    #expect(text.contains("\"roc_auc_scores\":null"))
    #expect(text.contains("\"per_label\":{"))
  }

  @Test("a higher threshold predicts fewer labels")
  func honoursThreshold() {
    let low = MultiLabelMetrics(logits: [0.5, 0.5], labels: [1, 1], labelCount: 1)
    let high = MultiLabelMetrics(
      logits: [0.5, 0.5], labels: [1, 1], labelCount: 1, threshold: 0.9)
    #expect(low.accuracy == 1)
    #expect(high.accuracy == 0)
  }
}
