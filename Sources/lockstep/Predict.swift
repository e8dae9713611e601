import ArgumentParser
import Encoders
import Foundation
import Tokenizers
import Training

extension PredictionFormat: ExpressibleByArgument {}
extension PredictionInput: ExpressibleByArgument {}

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Labels texts with a fine-tuned model.",
    discussion: """
      Texts are arguments, or lines of standard input. What a row's answer has depends on the task: labels \
      with their probabilities, a number, the tag of each word, an answer with its probability, or the \
      likeliest words for each mask token. Pairs of texts (--pairs; question and context always) are two \
      arguments, or a line with a tab between them, or {"text", "pair"} with --input jsonl. Rows keep \
      their order; a line that is no row gets an error in its place, and the exit code 65 at the end.
      """)

  /// Where labels of multi-label are given.
  enum Threshold: ExpressibleByArgument, Equatable, CustomStringConvertible {
    /// The same for every label.
    case probability(Double)
    /// The model's own, one for each label.
    case tuned

    init?(argument: String) {
      if argument == "tuned" {
        self = .tuned
      } else if let value = Double(argument) {
        self = .probability(value)
      } else {
        return nil
      }
    }

    var description: String {
      switch self {
      case .tuned: "tuned"
      case .probability(let value): "\(value)"
      }
    }
  }

  @Option(help: "Checkpoint, or any fine-tuned model folder.", completion: .directory)
  var model: String
  @Argument(help: "Texts; without any, one a line from standard input.")
  var texts: [String] = []
  @Flag(help: "Read standard input, as without texts.")
  var stdin = false
  @Option(
    help: "Form of standard input: text, jsonl ({\"text\", \"pair\", \"words\", \"id\"} a line).")
  var input = PredictionInput.text
  @Flag(help: "Rows are pairs of texts.")
  var pairs = false
  @Option(
    help: """
      multi-label: probability from which a label is given; tuned: that of each label which training found \
      the best. (default: 0.5)
      """)
  var threshold: Threshold?
  @Option(
    parsing: .unconditional,
    help: """
      question-answering: by how much the score of no answer has to exceed that of the best answer for none to be given. \
      (default: an answer is always given)
      """)
  var nullThreshold: Double?
  @OptionGroup var windows: ContextWindows
  @Option(help: "Tokens that a row is cut to. (default: the model's positions, 384 for contexts)")
  var maxLength: Int?
  @Option(help: "Threads. (default: the cores)")
  var threads: Int?
  @Option(help: "Form of the result: text, jsonl (an object a row), json (an array).")
  var format = PredictionFormat.text

  func validate() throws {
    if case .probability(let value)? = threshold { try requireThreshold(value) }
    if let nullThreshold, !nullThreshold.isFinite {
      throw ValidationError("--null-threshold: expected a number, found \(nullThreshold)")
    }
    try requireThreads(threads)
    if stdin, !texts.isEmpty { throw ValidationError("--stdin: there are texts too") }
    if input == .jsonl, !texts.isEmpty {
      throw ValidationError("--input jsonl: there are texts, and standard input is not read")
    }
  }

  func run() throws {
    // Before weights are read: a mistake about the model is told at once.
    try refuseForeignOptions(ModelConfiguration(modelFolder: model).task)
    let tokenizer = try Tokenizer(modelFolder: model)
    let trained = try TrainedModel(folder: model, threads: threads)
    try requireSpecialTokens(tokenizer, of: model)
    let hasPair = pairs || trained.task == .questionAnswering
    let predictor = try predictor(trained, tokenizer, hasPair: hasPair)
    var stream = PredictionStream(predictor, PredictionOutput(format))
    if texts.isEmpty {
      try stream.predict(standardInput: input, hasPair: hasPair)
    } else {
      try stream.predict(rows(hasPair: hasPair))
    }
    guard stream.badLines == 0 else { throw ExitCode(ExitCodes.data) }
  }

  /// An option that the task has no use for is a mistake about the model.
  private func refuseForeignOptions(_ task: Task) throws {
    let pairs: [Task] = [.multiLabel, .multiClass, .regression, .questionAnswering, .pretraining]
    let options: [(name: String, isGiven: Bool, tasks: [Task])] = [
      ("--threshold", threshold != nil, [.multiLabel]), ("--pairs", self.pairs, pairs),
      ("--null-threshold", nullThreshold != nil, [.questionAnswering]),
      ("--doc-stride", windows.docStride != nil, [.questionAnswering]),
    ]
    try refuse(options, foreignTo: task) { "; \(model) is for \($0)" }
  }

  private func rows(hasPair: Bool) throws -> [PredictionRow] {
    guard hasPair else { return texts.map { PredictionRow(text: $0) } }
    guard texts.count.isMultiple(of: 2) else {
      throw ValidationError("expected two texts a row, found \(texts.count)")
    }
    return stride(from: 0, to: texts.count, by: 2).map {
      PredictionRow(text: texts[$0], pair: texts[$0 + 1])
    }
  }

  private func predictor(
    _ trained: TrainedModel, _ tokenizer: Tokenizer, hasPair: Bool
  ) throws -> any Predictor {
    let least = tokenizer.numSpecialTokens(isPair: hasPair) + (hasPair ? 2 : 1)
    if let maxLength, !(least...max(least, trained.maxTokens)).contains(maxLength) {
      throw ValidationError(
        "--max-length: expected \(least) to \(trained.maxTokens), the model's positions; "
          + "found \(maxLength)")
    }
    let isAnswer = trained.task == .questionAnswering
    let text = TextModel(
      model: trained, tokenizer: tokenizer,
      maxLength: maxLength ?? min(trained.maxTokens, isAnswer ? 384 : .max))
    switch trained.task {
    case .multiLabel, .multiClass, .regression:
      return RowPredictor(model: text, thresholds: try thresholds(trained))
    case .tokenClassification: return TagPredictor(model: text)
    case .questionAnswering:
      try windows.requireProgress(tokenizer: tokenizer, maxLength: text.maxLength)
      return AnswerPredictor(model: text, stride: windows.docStride, nullThreshold: nullThreshold)
    case .pretraining:
      return WordPredictor(model: text, maskID: try requireMask(tokenizer.maskID, of: model))
    }
  }

  /// [labels]
  private func thresholds(_ trained: TrainedModel) throws -> [Double] {
    switch threshold ?? .probability(0.5) {
    case .probability(let value): return trained.labelNames.map { _ in value }
    case .tuned:
      guard let thresholds = trained.thresholds else {
        throw TrainingError(
          .data, "\(model)/\(LabelThresholds.fileName)", expected: "a threshold for each label",
          found: trained.task == .multiLabel ? "no file" : "a model for \(trained.task.rawValue)",
          remedy: "name a probability, or a checkpoint of a multi-label run")
      }
      return thresholds.values
    }
  }
}
