import ArgumentParser
import Foundation
import Shards
import Tokenizers
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Computes a fine-tuned model's metrics over shards.")

  @Option(help: "Checkpoint, or any fine-tuned model folder.")
  var model: String
  @Option(help: "Shards to evaluate on.")
  var data: String
  @Option(help: "Probability from which a label counts as predicted.")
  var threshold = 0.5
  @Option(help: "Threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requireThreshold(threshold)
    try requireThreads(threads)
  }

  func run() throws {
    let classifier = try TrainedModel(folder: model, threads: threads)
    let shards = try ShardFolder(path: data)
    try classifier.requireLabels(of: shards, at: data)
    if !Tokenizer.files(inModelFolder: model).isEmpty {
      try shards.requireVocabulary(Tokenizer(modelFolder: model).vocabularySHA256, of: model)
    }
    for shard in shards.shardPaths.indices { try shards.verifyShard(shard) }
    var bar = ProgressBar(label: "evaluate", total: shards.rows, unit: "rows")
    let metrics = try classifier.evaluator.evaluate(
      shards, threshold: threshold, progress: { bar.update($0) })
    bar.clear()
    switch format {
    case .json: try printJSON(metrics)
    case .text: printTable(metrics, names: classifier.labelNames)
    }
  }

  private func printTable(_ metrics: MultiLabelMetrics, names: [String]) {
    let rows: [(String, Double?)] = [
      ("loss", metrics.loss), ("f1", metrics.f1), ("f1_macro", metrics.f1Macro),
      ("roc_auc", metrics.rocAUC), ("roc_auc_scores", metrics.rocAUCScores),
      ("accuracy", metrics.accuracy), ("jaccard", metrics.jaccard),
    ]
    for (name, value) in rows {
      print(padded(name, 16), value.map { String(format: "%.6f", $0) } ?? "undefined")
    }
    let width = max(16, names.map(\.count).max() ?? 0)
    print("\n" + padded("label", width), "precision    recall        f1   support")
    let labels = metrics.perLabel
    for (index, name) in names.enumerated() {
      let numbers = String(
        format: "%9.4f %9.4f %9.4f %9d", labels.precision[index], labels.recall[index],
        labels.f1[index], labels.support[index])
      print(padded(name, width), numbers)
    }
  }
}

/// - Throws: a usage error for what is not a probability.
func requireThreshold(_ threshold: Double) throws {
  guard (0...1).contains(threshold) else {
    throw ValidationError("--threshold: expected a probability from 0 to 1, found \(threshold)")
  }
}

/// - Throws: a usage error for a number of threads that no rank should have.
func requireThreads(_ threads: Int?) throws {
  guard let threads, !(1...1024).contains(threads) else { return }
  throw ValidationError("--threads: expected 1 to 1024, found \(threads)")
}

func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
