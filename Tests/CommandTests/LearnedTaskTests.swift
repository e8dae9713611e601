import Foundation
import Testing

/// Each task from the samples in launch/, learned by a small BERT from random weights on two ranks, stopped in the
/// middle, resumed, evaluated and used to predict.
@Suite struct LearnedTaskTests {
  private static let sample = Program.package + "/launch/sample/tasks"
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let files: String
    var more: [String] = []
    let task: String
    let epochs: Int
    let metric: String
    /// What must be reached: half of what chance leaves, or more.
    let least: Double
    /// Share of single predictions that must be right.
    var leastRight = 0.9
    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "classes", files: "topics-SPLIT.tsv", task: "multi-class", epochs: 4,
      metric: "accuracy", least: 0.9),
    Case(
      name: "numbers", files: "scores-SPLIT.tsv", task: "regression", epochs: 6,
      metric: "pearson", least: 0.9),
    Case(
      name: "pairs", files: "pairs-SPLIT.tsv", more: ["--pair-column", "other"],
      task: "multi-class", epochs: 15, metric: "accuracy", least: 0.85, leastRight: 0.85),
    Case(
      name: "tags", files: "names-SPLIT.conll", task: "token-classification", epochs: 6,
      metric: "f1", least: 0.9),
    Case(
      name: "answers", files: "questions-SPLIT.json", task: "question-answering", epochs: 12,
      metric: "f1", least: 0.9),
    Case(
      name: "pre-training", files: "documents-SPLIT.txt", task: "pretraining", epochs: 30,
      metric: "masked_accuracy", least: 0.3, leastRight: 0.3),
  ]

  @Test("A task is learned, resumed, evaluated and predicted", arguments: cases)
  func learned(_ task: Case) throws {
    for split in ["train", "dev"] {
      let file = task.files.replacingOccurrences(of: "SPLIT", with: split)
      let result = try Program.run(
        [
          "shard", "\(Self.sample)/\(file)", "--task", task.task, "--model", Self.sample,
          "--max-length", "48", "--output", "\(folder.path)/\(split)",
        ] + task.more)
      #expect(result.status == 0, "\(result.errors)")
    }
    let run = folder.path + "/run"
    let train = [
      "train", "--model", Self.sample, "--size", "tiny", "--train", folder.path + "/train",
      "--validation", folder.path + "/dev", "--output", run, "--batch-size", "16",
      "--learning-rate", "1e-3", "--warmup-ratio", "0.1", "--epochs", "\(task.epochs)",
      "--metric", "loss", "--threads", "1",
    ]
    let stopped = try Program.run(train + ["--stop-at", "20"], ranks: 2)
    #expect(stopped.status == 75, "\(stopped.errors)")
    let ended = try Program.run(train, ranks: 2)
    #expect(ended.status == 0, "\(ended.errors)")
    let evaluated = try Program.run([
      "evaluate", "--model", run + "/best", "--data", folder.path + "/dev", "--format", "json",
    ])
    #expect(evaluated.status == 0, "\(evaluated.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8))
    let score = try #require((object as? [String: Any])?[task.metric] as? Double)
    #expect(score >= task.least)
    let rows = try SampleRows(folder: Self.sample, task.name)
    let predicted = try Program.run(
      ["predict", "--model", run + "/best", "--format", "jsonl", "--input", "jsonl"]
        + (task.name == "pairs" ? ["--pairs"] : []), input: rows.input)
    #expect(predicted.status == 0, "\(predicted.errors)")
    let share = try rows.shareRight(of: predicted.output)
    #expect(share >= task.leastRight)
    print(
      "learned \(task.name): \(task.metric) \(score), \(rows.count) rows predicted, right \(share)")
  }
}
