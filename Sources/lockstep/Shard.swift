import ArgumentParser
import Shards
import Tokenizers
import Training

struct Shard: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns tables of texts and labels into shards of token ids.",
    discussion: """
      Tables have a header line (JSON Lines: keys) and one text or pair a row, with a column of 0 and \
      1 for each label, or one column of labels or numbers. Token classification takes CoNLL files, \
      question answering SQuAD's JSON, pre-training plain text with a sentence a line and a blank \
      line between documents. The shards appear at --output when all of them are written.
      """)

  @Argument(
    help: "Tables: .tsv or .txt (tabs, nothing quoted), .csv (RFC 4180), .jsonl, or -.",
    completion: .file())
  var files: [String]
  @Option(help: "Model folder; only its tokenizer files are read.", completion: .directory)
  var model: String
  @Option(help: "Folder to write.", completion: .directory)
  var output: String
  @Option(help: "Files to write. (default: one for each 100,000 rows)")
  var shards: Int?
  @Option(
    help: """
      The most tokens a row, special tokens included; longer rows are cut. (default: 128; 384 for \
      question-answering)
      """)
  var maxLength: Int?
  @OptionGroup var windows: ContextWindows
  @Option(help: "pretraining: seed of the pairs of segments. (default: 42)")
  var seed: UInt64?
  @Option(
    help: "pretraining: share of the documents whose rows have a random length. (default: 0.1)")
  var shortSequenceProbability: Double?
  @Option(help: "Column of the text. (default: Tweet, else text, else sentence)")
  var textColumn: String?
  @Option(help: "Column of the second text, where rows are pairs.")
  var pairColumn: String?
  @Option(help: "Column that names a row. (default: ID or id, else the row's number from 0)")
  var idColumn: String?
  @Option(
    help: """
      Labels between commas, in this order. Multi-label: their columns (default: all other columns); \
      multi-class: the values of the label column; token-classification: the tags (default: those that \
      occur, integers in their order, `O` first)
      """)
  var labels: String?
  @Option(
    help: "Shards whose labels these have too, in their order: those of training.",
    completion: .directory)
  var labelsFrom: String?
  @Option(help: "Column of the label, in multi-class and regression. (default: label)")
  var labelColumn: String?
  @Option(
    help:
      "What rows are labelled for: \(ShardTask.allCases.map(\.rawValue).joined(separator: ", ")).")
  var task = ShardTask.multiLabel
  @Option(help: "How the files are written: tsv, csv or jsonl. (default: by their extension)")
  var inputFormat: DatasetFormat?
  @Flag(help: "Replace the shards that are at --output.")
  var overwrite = false
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    if let shards, shards < 1 { throw ValidationError("--shards \(shards): give at least 1") }
    try refuseForeignOptions()
    if files.contains("-"), inputFormat == nil, Self.tableTasks.contains(task) {
      throw ValidationError("-: name the form of standard input with --input-format")
    }
    if let share = shortSequenceProbability, !(0...1).contains(share) {
      throw ValidationError("--short-sequence-probability \(share): give a number from 0 to 1")
    }
    if files.contains("-"), task == .questionAnswering {
      throw ValidationError("-: question-answering reads a file")
    }
    if let labels {
      let names = labels.split(separator: ",", omittingEmptySubsequences: false)
      guard !names.contains(""), Set(names).count == names.count else {
        throw ValidationError(
          "--labels \(labels): give names between commas, each once, none of them empty")
      }
    }
    if labels != nil, labelsFrom != nil {
      throw ValidationError("--labels, --labels-from: give one of them")
    }
  }

  private static let tableTasks: [ShardTask] = [.multiLabel, .multiClass, .regression]

  /// An option that the task has no use for is a mistake about the task.
  private func refuseForeignOptions() throws {
    let named: [ShardTask] = [.multiLabel, .multiClass, .tokenClassification]
    let options: [(name: String, isGiven: Bool, tasks: [ShardTask])] = [
      ("--text-column", textColumn != nil, Self.tableTasks),
      ("--pair-column", pairColumn != nil, Self.tableTasks),
      ("--id-column", idColumn != nil, Self.tableTasks),
      ("--input-format", inputFormat != nil, Self.tableTasks),
      ("--label-column", labelColumn != nil, [.multiClass, .regression]),
      ("--labels", labels != nil, named), ("--labels-from", labelsFrom != nil, named),
      ("--doc-stride", windows.docStride != nil, [.questionAnswering]),
      ("--seed", seed != nil, [.pretraining]),
      ("--short-sequence-probability", shortSequenceProbability != nil, [.pretraining]),
    ]
    try refuse(options, foreignTo: task) { ", not for \($0)" }
  }

  func run() throws {
    let began = ContinuousClock.now
    let tokenizer = try Tokenizer(modelFolder: model)
    let length = maxLength ?? (task == .questionAnswering ? 384 : 128)
    // Where windows and segments are cut, each text has a token at least.
    let isPair = pairColumn != nil || task == .questionAnswering || task == .pretraining
    let least =
      tokenizer.numSpecialTokens(isPair: isPair)
      + ([.questionAnswering, .pretraining].contains(task)
        ? 2 : task == .tokenClassification ? 1 : 0)
    guard length >= least else {
      throw ValidationError(
        "--max-length \(length): a row has at least \(least) tokens, special ones included")
    }
    try requireSpecialTokens(tokenizer, of: model)
    if task == .questionAnswering {
      try windows.requireProgress(tokenizer: tokenizer, maxLength: length)
    }
    let source = try rows(tokenizer, maxLength: length)
    let count = try source.countRows()
    let writer = try ShardWriter(
      destination: output,
      description: ShardDescription(
        task: task, labelNames: source.labelNames, maxLength: length,
        vocabularySHA256: tokenizer.vocabularySHA256, hasPairs: source.hasPairs),
      rows: count, shards: shards, overwriting: overwrite)
    let manifest = try write(source, writer)
    try report(manifest, maxLength: length, seconds: (ContinuousClock.now - began) / .seconds(1))
    if let note = source.note { writeLine("\(output): \(note)") }
  }

  private func rows(_ tokenizer: Tokenizer, maxLength: Int) throws -> any ShardRows {
    let names = try labelsFrom.map(labels(of:)) ?? labels?.split(separator: ",").map(String.init)
    switch task {
    case .multiLabel, .multiClass, .regression:
      return TableRows(
        reader: try DatasetReader(
          paths: files, format: inputFormat,
          columns: DatasetColumns(
            task: task, text: textColumn, pair: pairColumn, id: idColumn, labels: names,
            label: labelColumn)),
        tokenizer: tokenizer, maxLength: maxLength)
    case .tokenClassification:
      return TaggedRows(
        try TaggedSentenceReader(paths: files), tokenizer, maxLength: maxLength, labels: names)
    case .questionAnswering:
      return AnswerRows(
        questions: try AnsweredQuestions(paths: files).questions,
        tokenizer: tokenizer, maxLength: maxLength, stride: windows.docStride)
    case .pretraining:
      return try SegmentRows(
        Documents(paths: files), tokenizer, maxLength: maxLength, seed: seed ?? 42,
        shortProbability: shortSequenceProbability ?? 0.1)
    }
  }

  /// The labels of shards that are there already.
  private func labels(of path: String) throws -> [String] {
    let shards = try ShardFolder(path: path)
    guard shards.task == task else {
      throw ShardsError(
        place: path, expected: "shards for \(task.rawValue)",
        found: "shards for \(shards.task.rawValue)", remedy: "name others with --labels-from")
    }
    return shards.labelNames
  }

  private func write(_ source: any ShardRows, _ writer: ShardWriter) throws -> ShardManifest {
    // From here on there is a hidden folder to remove.
    let interruption = Interruption()
    var bar = ProgressBar(label: "shard", total: writer.rows, unit: "rows")
    defer { bar.clear() }
    var done = 0
    try source.forEachRow { row in
      try writer.append(
        ids: row.encoding.ids, typeIDs: row.encoding.typeIDs, rowID: row.id, labels: row.labels,
        context: row.context)
      done += 1
      bar.update(done)
      if interruption.isSignalled {
        writer.abandon()
        bar.clear()
        writeLine("\(output): stopped by a signal, nothing was written; run the command again")
        throw ExitCode(ExitCodes.interrupted)
      }
    }
    return try writer.finish()
  }

  private func report(_ manifest: ShardManifest, maxLength: Int, seconds: Double) throws {
    struct Result: Encodable {
      let rows, tokens, shards: Int
      let seconds: Double
    }
    let (rows, tokens, shards) = (manifest.rows, manifest.tokens, manifest.files.count)
    let cut = manifest.lengthHistogram.count > maxLength ? manifest.lengthHistogram[maxLength] : 0
    writeLine(
      "\(output): \(rows) rows, \(tokens) tokens, at most \(manifest.lengthHistogram.count - 1) a "
        + "row (\(cut) rows reach --max-length \(maxLength)), "
        + "\(manifest.description.labelNames.count) labels, \(shards) "
        + (shards == 1 ? "shard" : "shards"))
    if format == .json {
      try printJSON(Result(rows: rows, tokens: tokens, shards: shards, seconds: seconds))
    }
  }
}

/// Refuses a tokenizer whose rows may have no token: models of rows read the first one, [CLS] or <s>.
///
/// - Throws: `TokenizerError` naming the folder.
func requireSpecialTokens(_ tokenizer: Tokenizer, of model: String) throws {
  guard tokenizer.numSpecialTokens(isPair: false) == 0 else { return }
  throw TokenizerError(
    place: model,
    expected: "a tokenizer that puts special tokens around a text, as [CLS] and [SEP]",
    found: "a template without any",
    remedy: "take the tokenizer.json that the model was published with")
}

extension DatasetFormat: ExpressibleByArgument {}
extension ShardTask: ExpressibleByArgument {}
