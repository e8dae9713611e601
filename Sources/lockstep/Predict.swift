import ArgumentParser
import Encoders
import Foundation
import Manifests
import Tokenizers
import Training

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Labels texts with a fine-tuned model.",
    discussion: """
      Texts are arguments, or lines of standard input. As text, a row is its labels with their \
      probabilities, a tab, and the text; as JSON it has the probability of every label.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json, jsonl
  }

  @Option(help: "Checkpoint, or any fine-tuned model folder.")
  var model: String
  @Argument(help: "Texts; without any, one a line from standard input.")
  var texts: [String] = []
  @Option(help: "Probability from which a label is given.")
  var threshold = 0.5
  @Option(help: "Tokens that a text is cut to. (default: the model's positions)")
  var maxLength: Int?
  @Option(help: "Threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Form of the result: text, jsonl (an object a row), json (an array).")
  var format = Format.text

  func validate() throws {
    try requireThreshold(threshold)
    try requireThreads(threads)
  }

  func run() throws {
    let tokenizer = try Tokenizer(modelFolder: model)
    let classifier = try TrainedModel(folder: model, threads: threads)
    if let maxLength, maxLength > classifier.maxTokens {
      throw ValidationError(
        "--max-length \(maxLength): the model has \(classifier.maxTokens) positions")
    }
    guard [.multiLabel, .multiClass, .regression].contains(classifier.task) else {
      throw ValidationError(
        "\(model) is for \(classifier.task.rawValue): predict takes multi-label, multi-class and "
          + "regression; use evaluate with shards")
    }
    var output = PredictionOutput(format: format, task: classifier.task, threshold: threshold)
    var pending: [String] = []
    func flush() throws {
      guard !pending.isEmpty else { return }
      let logits = try classifier.evaluator.logits(batch(pending, tokenizer, classifier))
      try output.write(pending, logits: logits, names: classifier.labelNames)
      pending.removeAll(keepingCapacity: true)
    }
    for text in Rows(texts: texts) {
      pending.append(text)
      if pending.count == 32 { try flush() }
    }
    try flush()
    output.finish()
  }

  private func batch(
    _ texts: [String], _ tokenizer: Tokenizer, _ classifier: TrainedModel
  ) throws -> PackedBatch {
    let encodings = try texts.map {
      try tokenizer.encode($0, maxLength: maxLength ?? classifier.maxTokens)
    }
    var bounds: [Int32] = [0]
    for encoding in encodings {
      bounds.append(bounds[bounds.count - 1] + Int32(encoding.ids.count))
    }
    return classifier.batch(
      inputIDs: encodings.flatMap(\.ids), cumulativeLengths: bounds,
      rows: (0..<UInt32(texts.count)).map { $0 })
  }
}

/// The texts of the command line, or the lines of standard input as they come.
private struct Rows: Sequence, IteratorProtocol {
  private var texts: ArraySlice<String>
  private let readsInput: Bool

  init(texts: [String]) {
    self.texts = texts[...]
    readsInput = texts.isEmpty
  }

  mutating func next() -> String? { readsInput ? readLine() : texts.popFirst() }
}

/// Writes rows in one of the three forms.
private struct PredictionOutput {
  private struct Row: Encodable {
    let text: String
    let labels: [String]
    let scores: [String: Double]
  }

  let format: Predict.Format
  let task: Task
  let threshold: Double
  private var count = 0

  init(format: Predict.Format, task: Task, threshold: Double) {
    self.format = format
    self.task = task
    self.threshold = threshold
  }

  /// - Parameter logits: [texts, names], row-major.
  mutating func write(_ texts: [String], logits: [Float], names: [String]) throws {
    for (index, text) in texts.enumerated() {
      let row = logits[index * names.count..<(index + 1) * names.count].map(Double.init)
      let (scores, chosen) = answer(row)
      if format == .text {
        let labels = chosen.map { printable(names[$0]) + String(format: " %.2f", scores[$0]) }
        print((labels.isEmpty ? "none" : labels.joined(separator: ", ")) + "\t" + text)
      } else {
        if format == .json { print(count == 0 ? "[" : ",", terminator: "") }
        try printJSON(
          Row(
            text: text, labels: chosen.map { names[$0] },
            scores: Dictionary(zip(names, scores), uniquingKeysWith: { first, _ in first })))
      }
      count += 1
    }
    fflush(nil)  // A reader of the pipe sees each batch at once.
  }

  /// The score of each label, and the labels that are given: in multi-label those whose probability
  /// reaches the threshold, in multi-class the likeliest; in regression the number itself.
  private func answer(_ logits: [Double]) -> (scores: [Double], chosen: [Int]) {
    switch task {
    case .multiClass:
      let largest = logits.max() ?? 0
      let powers = logits.map { exp($0 - largest) }
      let sum = powers.reduce(0, +)
      return (powers.map { $0 / sum }, [logits.firstIndex(of: largest) ?? 0])
    case .regression: return (logits, Array(logits.indices))
    case .multiLabel, .tokenClassification, .questionAnswering, .pretraining:
      let scores = logits.map(probability(ofLogit:))
      return (scores, scores.indices.filter { scores[$0] >= threshold })
    }
  }

  func finish() {
    if format == .json { print(count == 0 ? "[]" : "]") }
  }
}
