import Encoders
import Foundation
import GoldenFolders
import Reports
import Testing

@testable import Training

/// Metrics of single labels, numbers and entities beside scikit-learn, scipy and seqeval.
/// Tests/Interop/metrics_fixture.py writes metrics.json.
@Suite struct TaskMetricsTests {
  private struct Golden: Decodable {
    let multiClass: [MultiClass]
    let regression: [Regression]
    let entities: [Entities]
  }
  private struct Fixture: Decodable {
    let classes: [Classes]
    let regressions: [Regression]
    let entities: [Entities]
  }

  private struct MultiClass: Decodable {
    let labels: [Int32]
    let logits: [[Float]]
    let loss, accuracy, f1Macro, f1: Double
  }
  private struct Classes: Decodable {
    let labels: [Int32]
    let logits: [[Float]]
    let f1Weighted, matthews: Double
    let precision, recall, f1: [Double]
    let support: [Int]
  }
  private struct Regression: Decodable {
    let labels, predictions: [Float]
    let mse, rmse, mae, pearson, spearman, r2: Double?
  }
  private struct Entities: Decodable {
    let labels, predictions: [[String]]
    let precision, recall, f1: Double?
    let spans: [[Span]]?
    let micro: [String: Double]?
    let types: [String: [String: Double]]?
  }
  /// Type, start and end as an array.
  private struct Span: Decodable, Equatable {
    let type: String
    let range: Range<Int>

    init(from decoder: any Decoder) throws {
      var values = try decoder.unkeyedContainer()
      type = try values.decode(String.self)
      let start = try values.decode(Int.self)
      range = start..<(try values.decode(Int.self))
    }
    init(type: String, range: Range<Int>) { (self.type, self.range) = (type, range) }
  }

  private let golden: Golden
  private let fixture: Fixture

  init() throws {
    func read<Value: Decodable>(_ name: String) throws -> Value {
      let url = URL(fileURLWithPath: "\(Reference.fixtures)/\(name).json")
      let data = try Data(contentsOf: url)
      return try Reference.decoder.decode(Value.self, from: data)
    }
    golden = try read("golden-metrics")
    fixture = try read("metrics")
  }

  private func expect(
    _ metrics: any TaskMetrics, _ name: String, _ expected: Double?, tolerance: Double = 1e-6,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(metrics.scores.contains { $0.name == name }, "\(name)", sourceLocation: sourceLocation)
    let found = metrics.score(name)
    let isClose = found == expected || abs((found ?? .nan) - (expected ?? .nan)) <= tolerance
    #expect(
      isClose, "\(name) is \(String(describing: found)), not \(String(describing: expected))",
      sourceLocation: sourceLocation)
  }

  @Test("metrics of one label a row are scikit-learn's; labels that do not occur have no F1")
  func multiClass() {
    #expect(golden.multiClass.count == 3 && fixture.classes.count == 6)
    for golden in golden.multiClass {
      let metrics = MultiClassMetrics(
        logits: golden.logits.flatMap { $0 }, labels: golden.labels,
        labelCount: golden.logits[0].count)
      expect(metrics, "loss", golden.loss)
      expect(metrics, "accuracy", golden.accuracy)
      expect(metrics, "f1", golden.f1)
      expect(metrics, "f1_macro", golden.f1Macro)
    }
    for expected in fixture.classes {
      let metrics = MultiClassMetrics(
        logits: expected.logits.flatMap { $0 }, labels: expected.labels,
        labelCount: expected.logits[0].count)
      expect(metrics, "f1_weighted", expected.f1Weighted, tolerance: 1e-12)
      expect(metrics, "matthews", expected.matthews, tolerance: 1e-12)
      #expect(metrics.perLabel.support == expected.support)
      for (found, expected) in [
        (metrics.perLabel.precision, expected.precision), (metrics.perLabel.f1, expected.f1),
        (metrics.perLabel.recall, expected.recall),
      ] {
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(found.count == expected.count)
      }
    }
  }

  @Test("metrics of numbers are scipy's; correlations of what is constant are undefined")
  func regression() {
    #expect(golden.regression.count == 3 && fixture.regressions.count == 3)
    for golden in golden.regression {
      let metrics = RegressionMetrics(predictions: golden.predictions, values: golden.labels)
      expect(metrics, "mse", golden.mse)
      expect(metrics, "loss", golden.mse)
      expect(metrics, "mae", golden.mae)
      expect(metrics, "pearson", golden.pearson)
      expect(metrics, "spearman", golden.spearman)
    }
    for expected in fixture.regressions {
      let metrics = RegressionMetrics(predictions: expected.predictions, values: expected.labels)
      expect(metrics, "rmse", expected.rmse)
      expect(metrics, "r2", expected.r2, tolerance: 1e-5)
    }
    let constant = RegressionMetrics(predictions: [1, 2], values: [0.1, 0.1])
    expect(constant, "r2", nil)
    expect(constant, "pearson", nil)
  }

  @Test("entities are seqeval's, in sequences that are not well-formed and in every scheme, too")
  func entitySpans() throws {
    var sequences = 0
    for expected in fixture.entities {
      let spans = try #require(expected.spans)
      for (tags, spans) in zip(expected.predictions, spans) {
        sequences += 1
        let found = entities(tags).map { Span(type: $0.type, range: $0.range) }
        #expect(found == spans, "\(tags)")
      }
    }
    #expect(sequences > 100)
  }

  @Test("scores of entities are seqeval's, over all and by type")
  func entityScores() {
    #expect(golden.entities.count == 3)
    for golden in golden.entities {
      let metrics = EntityMetrics(truth: golden.labels, predictions: golden.predictions, loss: 2)
      expect(metrics, "precision", golden.precision, tolerance: 1e-12)
      expect(metrics, "recall", golden.recall, tolerance: 1e-12)
      expect(metrics, "f1", golden.f1, tolerance: 1e-12)
      expect(metrics, "loss", 2)
    }
    for expected in fixture.entities {
      let metrics = EntityMetrics(
        truth: expected.labels, predictions: expected.predictions, loss: 0)
      for name in ["precision", "recall", "f1"] {
        let key = name == "f1" ? "f1-score" : name
        expect(metrics, name, expected.micro?[key] ?? 0, tolerance: 1e-11)
        for (index, type) in metrics.types.enumerated() {
          let scores = metrics.perType
          let found = ["precision": scores.precision, "recall": scores.recall, "f1": scores.f1]
          let value = found[name]?[index] ?? .nan
          #expect(abs(value - (expected.types?[type]?[key] ?? .nan)) < 1e-11, "\(type): \(name)")
          #expect(Double(scores.support[index]) == expected.types?[type]?["support"])
        }
      }
      #expect(metrics.types == (expected.types ?? [:]).keys.sorted())
    }
  }

  @Test("tokens without a tag take no part, and a row may have none with one")
  func tagsOfTokens() {
    let names = ["O", "B-X", "I-X"]
    // Rows: [CLS] B I [SEP], and [CLS] alone, and [CLS] O B.
    let tags: [Int32] = [-100, 1, 2, -100, -100, -100, 0, 1]
    let chosen = [0, 1, 2, 1, 1, 2, 0, 0]
    let logits = chosen.flatMap { choice in (0..<3).map { Float($0 == choice ? 3 : 0) } }
    let metrics = EntityMetrics(
      logits: logits, tags: tags, cumulativeLengths: [0, 4, 5, 8], labelNames: names)
    #expect(metrics.accuracy == 0.75)
    #expect(metrics.precision == 1 && metrics.recall == 0.5)
    let right = log(exp(3.0) + 2) - 3
    let wrong = log(exp(3.0) + 2)
    #expect(abs(metrics.loss - (3 * right + wrong) / 4) < 1e-12)
    let none = EntityMetrics(
      logits: [1, 0, 0], tags: [-100], cumulativeLengths: [0, 1], labelNames: names)
    #expect(none.loss == 0 && none.f1 == 0 && none.accuracy == 0)
  }

  private var samples: [Task: any TaskMetrics] {
    [
      .multiLabel: MultiLabelMetrics(
        logits: [1, -1], labels: [1, 0], labelCount: 2, tuned: LabelThresholds(0.4, labelCount: 2)),
      .multiClass: MultiClassMetrics(logits: [1, 0], labels: [0], labelCount: 2),
      .regression: RegressionMetrics(predictions: [1, 2], values: [1, 3]),
      .tokenClassification: EntityMetrics(truth: [["B-X"]], predictions: [["B-X"]], loss: 1),
      .pretraining: PretrainingMetrics(
        rows: [.init(maskedLoss: 4, rightWords: 1, hiddenWords: 2, nextSentence: [0, 1])],
        nextSentence: [1]),
    ]
  }

  @Test("every name of a task's metrics has a number, and no number lacks a name")
  func names() {
    for (task, metrics) in samples {
      #expect(Set(task.metricNames) == Set(metrics.scores.map(\.name)), "\(task)")
      #expect(Set(metrics.scores.map(\.name)).count == metrics.scores.count, "\(task)")
      #expect(metrics.loss == metrics.score("loss"), "\(task)")
    }
  }

  @Test("what is better is larger as a score: less of losses and errors, more of all else")
  func direction() {
    let less: Set = [
      "loss", "mse", "rmse", "mae", "perplexity", "masked_loss", "next_sentence_loss",
    ]
    for (task, metrics) in samples {
      for name in task.metricNames {
        guard let value = metrics.score(name), value != 0 else { continue }
        let score = BestMetric(rawValue: name).score(metrics)
        #expect(score == (less.contains(name) ? -value : value), "\(task): \(name)")
        // Reports, which have nothing of a trainer, know it by themselves.
        #expect(RunHistory.isError(name) == less.contains(name), "\(name)")
      }
    }
  }

  @Test("metrics of pre-training are means over words and rows")
  func pretraining() {
    let metrics = PretrainingMetrics(
      rows: [
        .init(maskedLoss: 4, rightWords: 1, hiddenWords: 2, nextSentence: [0, 2]),
        .init(maskedLoss: 2, rightWords: 0, hiddenWords: 1, nextSentence: [1, 0]),
        .init(maskedLoss: 0, rightWords: 0, hiddenWords: 0, nextSentence: [1, 1]),
      ], nextSentence: [1, 1, 0])
    expect(metrics, "masked_loss", 2)
    expect(metrics, "perplexity", exp(2))
    expect(metrics, "masked_accuracy", 1.0 / 3)
    expect(metrics, "next_sentence_accuracy", 2.0 / 3)
    let next = (log(1 + exp(-2.0)) + log(1 + exp(1.0)) + log(2.0)) / 3
    expect(metrics, "next_sentence_loss", next)
    expect(metrics, "loss", 2 + next)
  }
}
