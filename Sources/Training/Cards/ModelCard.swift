import Encoders
import Foundation

/// README.md of a checkpoint: what the model is, for its hub page and for whoever gets the folder.
///
/// It is made of the run's trajectory alone: it says nothing that differs between runs of one trajectory on
/// other ranks, machines or days, so the same parameters have the same card.
package struct ModelCard {
  /// Shards that a card speaks of.
  struct DataSet: Sendable, Equatable {
    /// Of its folder, without what leads there.
    let name: String
    let rows: Int
    /// Of its manifest.
    let sha256: String
  }

  package static let fileName = "README.md"
  /// By which a card is told from what a person wrote.
  package static let marker = "<!-- Written by lockstep. -->"
  /// Labels and evaluations that tables show at most.
  private static let mostRows = 200

  let configuration: ModelConfiguration
  let state: TrainerState
  /// Of these very parameters; nil where the step was not evaluated.
  let metrics: (any TaskMetrics)?
  let train: DataSet
  let validation: DataSet
  /// No row of the training data has more tokens.
  let maxLength: Int
  let hasPairs: Bool

  var task: Task { configuration.task }

  /// The whole file.
  ///
  /// - Throws: Yams's error where the front matter cannot be written.
  func markdown() throws -> String {
    let sections = [
      Self.marker, title, summary, labels, results, use, training, limitations,
    ]
    return "---\n\(try frontMatter())---\n\n"
      + sections.compactMap(\.self).joined(separator: "\n\n") + "\n"
  }

  /// What the model is called, without a word of where it lies.
  var name: String {
    let base = state.baseModel.map { $0.name.components(separatedBy: "/").last ?? $0.name }
    return "\(base ?? configuration.architecture.modelType)-\(task.rawValue)"
  }

  private var title: String { "# \(escaped(name))" }

  private var summary: String {
    let family = configuration.architecture.modelType
    let size =
      "\(configuration.layerCount) layers, \(configuration.hiddenSize) wide, "
      + "\(EncoderModel(configuration).layout.count) parameters in float32"
    let origin =
      switch (state.baseModel, task) {
      case (let base?, .pretraining): "pre-trained further from `\(code(base.name))`"
      case (let base?, _): "fine-tuned from `\(code(base.name))`"
      case (nil, .pretraining): "pre-trained"
      case (nil, _): "trained"
      }
    return """
      A \(escaped(family)) encoder (\(size)) \(origin) for \(taskName) with \
      lockstep \(Release.version).
      """
  }

  private var labels: String? {
    let names = configuration.labelNames
    guard !names.isEmpty, task != .pretraining, task != .questionAnswering else { return nil }
    return "## Labels\n\n"
      + table(
        ["id", "label"], names.prefix(Self.mostRows).enumerated().map { ["\($0)", escaped($1)] })
      + remainder(of: names.count, "labels")
  }

  private func remainder(of count: Int, _ noun: String) -> String {
    count > Self.mostRows ? "\n\nThe first \(Self.mostRows) of \(count) \(noun)." : ""
  }
}

// Results.
extension ModelCard {
  private var results: String {
    guard let metrics else {
      return """
        ## Results

        This step was not evaluated. `lockstep evaluate --model FOLDER --data SHARDS` does it.
        """
    }
    let rows = metrics.scores.map { ["`\($0.name)`", $0.value.map(number) ?? "undefined"] }
    let parts: [String?] = [
      """
      ## Results

      Of the \(validation.rows) validation rows, at step \(state.globalStep), by the metrics' names in lockstep:
      """, table(["metric", "value"], rows), labelResults(metrics), history,
    ]
    return parts.compactMap(\.self).joined(separator: "\n\n")
  }

  private func labelResults(_ metrics: any TaskMetrics) -> String? {
    guard let scores = metrics.labelScores else { return nil }
    let names = metrics.labelScoreNames ?? configuration.labelNames
    guard names.count == scores.f1.count, !names.isEmpty else { return nil }
    let rows = names.indices.prefix(Self.mostRows).map { index in
      [
        escaped(names[index]), number(scores.precision[index]), number(scores.recall[index]),
        number(scores.f1[index]), "\(scores.support[index])",
      ]
    }
    return table(["label", "precision", "recall", "F1", "support"], rows)
      + remainder(of: names.count, "labels")
  }

  private var history: String? {
    guard let evaluations = state.logHistory, evaluations.count > 1 else { return nil }
    let shown = ["loss", state.bestMetricName.rawValue]
    let columns = shown[0] == shown[1] ? [shown[0]] : shown
    let rows = evaluations.suffix(Self.mostRows).map { evaluation in
      ["\(evaluation.step)", String(format: "%.2f", evaluation.epoch)]
        + columns.map { evaluation.scores[$0].map(number) ?? "undefined" }
    }
    return "The evaluations on the way:\n\n"
      + table(["step", "epoch"] + columns.map { "validation `\($0)`" }, rows)
  }
}

// Training and limitations.
extension ModelCard {
  private var training: String {
    let trajectory = state.trajectory
    let rate =
      "\(trajectory.learningRate), \(trajectory.schedule.rawValue), warm-up "
      + "\(trajectory.warmupRatio) of the steps"
    var rows = [
      ["steps", "\(state.globalStep) of \(state.maxSteps)"],
      ["epochs", String(format: "%.2f", state.epoch)],
      ["rows of a global batch", "\(trajectory.batchSize)"],
      ["micro-batches of it", "\(trajectory.microBatches)"],
      ["optimizer", "AdamW, weight decay \(trajectory.weightDecay) but for biases and norms"],
      ["learning rate", rate],
      ["gradient norm clipped to", "\(trajectory.maxGradNorm)"],
      ["dropout", "\(configuration.hiddenDropout)"],
      ["tokens of a row at most", "\(maxLength)"],
      ["seed", "\(trajectory.seed)"],
    ]
    if task.problemType != nil { rows.append(["pooling", configuration.pooling.rawValue]) }
    if let decay = trajectory.layerDecay { rows.append(["layer decay", "\(decay)"]) }
    if let frozen = trajectory.frozenLayers { rows.append(["frozen layers", "\(frozen)"]) }
    if let weights = trajectory.positiveWeights {
      let text = weights.prefix(Self.mostRows).map { "\($0)" }.joined(separator: ", ")
      rows.append(["weights of positives", text])
    }
    return """
      ## Training

      \(table(["", ""], rows))

      The parameters after a step depend on these numbers, the data and the base model, and not on how many \
      ranks or threads shared the work; trainer_state.json of the checkpoint says how many there were. metrics.jsonl \
      of the run has the loss of every step.

      \(table(["", "rows", "SHA-256"], hashes))
      """
  }

  private var hashes: [[String]] {
    let data = [("training shards", train), ("validation shards", validation)].map { kind, data in
      ["\(kind) `\(code(data.name))`, their manifest.json", "\(data.rows)", "`\(data.sha256)`"]
    }
    let base = state.baseModel.map { base in
      base.files.map { ["base model's `\(code($0.name))`", "", "`\($0.sha256)`"] }
    }
    let vocabulary = state.trajectory.vocabularySHA256.map { [["vocabulary", "", "`\($0)`"]] }
    return data + (base ?? []) + (vocabulary ?? [])
  }

  private var limitations: String {
    var items = [
      """
      The validation rows chose the best checkpoint\(thresholdsRemark): expect somewhat less on rows that had no \
      part in it.
      """,
      """
      lockstep knows the training texts as token ids. Where they come from, their language, who wrote and who \
      labelled them, under which licence, and whom they leave out is for whoever trained this model to say here.
      """,
      "The biases of the base model and of the data are in this model too; they were not looked for.",
      "Texts of more than \(maxLength) tokens were cut or taken in windows in training; longer ones were not tried.",
    ]
    if state.baseModel == nil {
      items.append("Which weights this run began with, if not random ones, is not recorded.")
    }
    if configuration.pooling == .mean {
      items.append(
        """
        Its head reads the mean over a row's tokens. transformers opens the weights but reads the first token: use \
        it with lockstep.
        """)
    }
    return "## Limitations\n\n" + items.map { "- " + $0 }.joined(separator: "\n")
  }

  private var thresholdsRemark: String {
    state.thresholds == nil ? "" : " and the thresholds in thresholds.json"
  }
}

extension ModelCard {
  /// Six decimals: enough to tell runs apart, and the same text on every machine.
  func number(_ value: Double) -> String { String(format: "%.6f", value) }

  private func table(_ heading: [String], _ rows: [[String]]) -> String {
    func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
    return ([line(heading), line(heading.map { _ in "---" })] + rows.map(line))
      .joined(separator: "\n")
  }
}
