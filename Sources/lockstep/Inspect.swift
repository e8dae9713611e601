import ArgumentParser
import Checkpoints
import Encoders
import Foundation
import Manifests
import Shards
import Tokenizers
import Training

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Tells what a model, checkpoint, run, shard folder or shard holds.")

  @Argument(
    help: "A folder, a shard, or the name minilm, bert-base or bert-large.", completion: .file())
  var path: String
  @Option(help: "Show this row of the shards, counted from 0; with --model as text too.")
  var row: Int?
  @Option(
    help: "Model folder whose tokenizer turns the row's ids back into text.", completion: .directory
  )
  var model: String?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    if model != nil, row == nil { throw ValidationError("--model: name the --row to decode") }
  }

  func run() throws {
    if let row { return try inspectRow(row) }
    let exists = FileManager.default.fileExists(atPath:)
    if let named = ModelConfiguration(named: path, labelNames: ["LABEL_0", "LABEL_1"]),
      !exists(path)
    {
      try show(ModelSummary(named), weights: nil)
    } else if exists(path + "/config.json") {
      try inspectModel()
    } else if let newest = try? RunFolder(path: path).checkpoints(), !newest.isEmpty {
      try inspectRun(RunFolder(path: path), newest)
    } else {
      try inspectShards()
    }
  }

  private func inspectModel() throws {
    let summary = ModelSummary(try ModelConfiguration(modelFolder: path))
    let weights = try? ModelFolder(path: path)
    try show(summary, weights: weights)
    guard format == .text, let checkpoint = try? Checkpoint(path: path) else { return }
    let state = try TrainerState(
      json: checkpoint.trainerState(), path: path + "/trainer_state.json")
    line("step", "\(state.globalStep) of \(state.maxSteps), epoch \(decimal(state.epoch, 2))")
    line("best", state.bestMetric.map { "\(state.bestMetricName.rawValue) \($0)" } ?? "none yet")
    line("seed", "\(state.trajectory.seed)")
    line("micro-batches", "\(state.trajectory.microBatches)")
    let hasCard = exists("\(path)/\(ModelCard.fileName)")
    line("model card", hasCard ? ModelCard.fileName : "none")
    line("written by", "\(state.worldSize) ranks x \(state.threads) threads on \(state.coreType)")
  }

  /// - Parameter weights: nil where there are none yet.
  private func show(_ summary: ModelSummary, weights: ModelFolder?) throws {
    guard format == .text else { return try printJSON(summary) }
    line(
      "model",
      "\(summary.modelType), \(summary.layers) layers, \(summary.hiddenSize) wide, "
        + "\(summary.heads) heads, \(summary.intermediateSize) intermediate")
    line("vocabulary", "\(summary.vocabularySize) tokens, \(summary.maxPositions) positions")
    line("labels", "\(summary.labels.count): \(summary.labels.joined(separator: ", "))")
    line("parameters", "\(summary.parameters) (\(millions(summary.parameters)))")
    for part in summary.parts { line("  " + part.name, "\(part.parameters)") }
    if let weights {
      line("tensors", "\(weights.tensorNames.count), \(size(weights.tensorBytes)) on disk")
    }
    line("weights", "\(size(summary.weightBytes)) in memory")
    line(
      "training",
      "\(size(summary.trainingBytes)) a rank: weights, gradients, moments; and "
        + "\(size(summary.activationBytes)) of activations for 8 rows of "
        + "\(ModelSummary.tokensPerRow) tokens")
  }

  private func inspectRun(_ run: RunFolder, _ checkpoints: [RunCheckpoint]) throws {
    struct Row: Encodable {
      let step: Int
      let path: String
      let best: Bool
      let last: Bool
    }
    let best = try run.step(of: .best)
    let last = try run.step(of: .last)
    let rows = checkpoints.map {
      Row(step: $0.step, path: $0.path, best: $0.step == best, last: $0.step == last)
    }
    guard format == .text else { return try printJSON(rows) }
    for row in rows {
      line("checkpoint", row.path + (row.best ? "  best" : "") + (row.last ? "  last" : ""))
    }
  }

  private func inspectShards() throws {
    struct Summary: Encodable {
      let task: String
      let rows: Int
      let tokens: Int
      let labels: [String]
      let maxLength: Int
      let pairs: Bool
      let vocabularySHA256: String?
      let shards: [String]

      enum CodingKeys: String, CodingKey {
        case task, rows, tokens, labels, pairs, shards
        case maxLength = "max_length"
        case vocabularySHA256 = "vocabulary_sha256"
      }
    }
    let data = try ShardFolder(path: path)
    let summary = Summary(
      task: data.task.rawValue, rows: data.rows, tokens: data.tokens, labels: data.labelNames,
      maxLength: data.maxLength,
      pairs: data.hasPairs, vocabularySHA256: data.vocabularySHA256, shards: data.shardPaths)
    guard format == .text else { return try printJSON(summary) }
    let mean = Double(summary.tokens) / Double(max(1, summary.rows))
    line("task", summary.task)
    line("rows", "\(summary.rows)\(summary.pairs ? " pairs" : "")")
    line("tokens", "\(summary.tokens), \(decimal(mean, 1)) a row, at most \(summary.maxLength)")
    line("labels", "\(summary.labels.count): \(summary.labels.joined(separator: ", "))")
    line("vocabulary", summary.vocabularySHA256 ?? "not recorded")
    for shard in summary.shards { line("shard", shard) }
  }

  private func inspectRow(_ row: Int) throws {
    struct Row: Encodable {
      let row: Int
      let id: String
      let ids: [Int32]
      let labels: [String: Float]?
      let targets: [Int32]?
      let text: String?
    }
    let data = try ShardFolder(path: path)
    guard (0..<data.rows).contains(row) else {
      throw ValidationError("--row \(row): \(path) has \(data.rows) rows, from 0")
    }
    let batch = try data.read([row])
    let tokenizer = try model.map { try Tokenizer(modelFolder: $0) }
    let found = Row(
      row: row, id: try data.rowID(row), ids: batch.inputIDs,
      labels: data.task == .multiLabel
        ? Dictionary(zip(data.labelNames, batch.labels.floats), uniquingKeysWith: { $1 }) : nil,
      targets: batch.labels.integers.isEmpty ? nil : batch.labels.integers,
      text: tokenizer?.decode(batch.inputIDs, skipSpecialTokens: false))
    guard format == .text else { return try printJSON(found) }
    line("row", "\(row), id \(found.id)")
    line("ids", found.ids.map(String.init).joined(separator: " "))
    if let text = found.text { line("text", text) }
    line("labels", described(batch.labels, names: data.labelNames))
  }

  private func described(_ labels: RowLabels, names: [String]) -> String {
    switch labels.task {
    case .multiLabel:
      let present = zip(names, labels.floats).filter { $0.1 != 0 }.map(\.0)
      return present.isEmpty ? "none" : present.joined(separator: ", ")
    case .multiClass, .tokenClassification:
      return labels.integers.map { $0 == RowLabels.noTag ? "-" : names[Int($0)] }
        .joined(separator: " ")
    case .regression: return labels.floats.map { "\($0)" }.joined()
    case .questionAnswering: return "tokens \(labels.integers[0]) to \(labels.integers[1])"
    case .pretraining: return labels.integers == [0] ? "next sentence" : "random sentence"
    }
  }

  private func line(_ name: String, _ value: String) { print(padded(name, 16) + value) }

  private func decimal(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  private func millions(_ count: Int) -> String { decimal(Double(count) / 1e6, 1) + " M" }

  private func size(_ bytes: Int) -> String {
    bytes >= 1_000_000_000
      ? decimal(Double(bytes) / 1e9, 2) + " GB" : decimal(Double(bytes) / 1e6, 1) + " MB"
  }
}
