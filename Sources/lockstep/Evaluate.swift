import ArgumentParser
import Collectives
import Foundation
import Shards
import Tokenizers
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Computes a fine-tuned model's metrics over shards.",
    discussion: "Under mpirun the ranks share the rows; the metrics are the same to the bit.")

  @Option(help: "Checkpoint, or any fine-tuned model folder.", completion: .directory)
  var model: String
  @Option(help: "Shards to evaluate on.", completion: .directory)
  var data: String
  @Option(help: "Probability from which a label counts as predicted.")
  var threshold = 0.5
  @Option(help: "Threads of a rank. (default: its cores)")
  var threads: Int?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    try requireThreshold(threshold)
    try requireThreads(threads)
  }

  func run() throws {
    try onEveryRank { communicator in
      try metrics(over: communicator)
    } show: { result in
      guard let metrics = result.metrics else { return }
      switch format {
      case .json: try printJSON(metrics)
      case .text: printTable(metrics, names: result.names)
      }
    }
  }

  private func metrics(
    over communicator: Communicator
  ) throws -> (metrics: (any TaskMetrics)?, names: [String]) {
    communicator.enter("opening model and shards")
    let (classifier, shards) = try communicator.agree {
      let classifier = try TrainedModel(
        folder: model, threads: threads ?? defaultThreads(localRanks: communicator.localSize),
        layerDone: communicator.worked)
      let shards = try ShardFolder(path: data)
      try classifier.requireLabels(of: shards, at: data)
      if communicator.rank == 0, !Tokenizer.files(inModelFolder: model).isEmpty {
        try shards.requireVocabulary(Tokenizer(modelFolder: model).vocabularySHA256, of: model)
      }
      for shard in stride(
        from: communicator.rank, to: shards.shardPaths.count, by: communicator.size)
      { try shards.verifyShard(shard, progress: { _ in communicator.worked() }) }
      return (classifier, shards)
    }
    communicator.enter("evaluation")
    var bar =
      communicator.rank == 0
      ? ProgressBar(label: "evaluate", total: shards.rows, unit: "rows") : nil
    let masking = try communicator.agree {
      guard classifier.task == .pretraining else { return nil as WordMasking? }
      // The seed of masks is that of every evaluation.
      return try VocabularyIdentity(modelFolder: model)?.masking(
        seed: 42, vocabularySize: classifier.vocabularySize, of: model)
    }
    let metrics = try classifier.evaluate(
      shards, threshold: threshold, masking: masking, over: communicator
    ) {
      bar?.update(min($0 * communicator.size, shards.rows))
    }
    bar?.clear()
    return (metrics, classifier.labelNames)
  }

  private func printTable(_ metrics: any TaskMetrics, names: [String]) {
    for (name, value) in metrics.scores {
      print(padded(name, 24), value.map { String(format: "%.6f", $0) } ?? "undefined")
    }
    guard let labels = metrics.labelScores else { return }
    let names = metrics.labelScoreNames ?? names
    let thresholds = metrics.thresholds?.values
    let width = max(16, names.map(\.count).max() ?? 0)
    let title = "precision    recall        f1   support" + (thresholds == nil ? "" : "     tuned")
    print("\n" + padded("label", width), title)
    for (index, name) in names.enumerated() {
      var numbers = String(
        format: "%9.4f %9.4f %9.4f %9d", labels.precision[index], labels.recall[index],
        labels.f1[index], labels.support[index])
      if let thresholds { numbers += String(format: " %9.4f", thresholds[index]) }
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
