import ArgumentParser
import Shards
import Tokenizers
import Training

struct Shard: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns tables of texts and labels into shards of token ids.",
    discussion: """
      Every file has a header line (JSON Lines: keys), one text a row, and a column of 0 and 1 for \
      each label. The shards appear at --output when all of them are written.
      """)

  @Argument(help: "Tables: .tsv or .txt (tabs, nothing quoted), .csv (RFC 4180), .jsonl, or -.")
  var files: [String]
  @Option(help: "Model folder; only its tokenizer files are read.")
  var model: String
  @Option(help: "Folder to write.")
  var output: String
  @Option(help: "Files to write. (default: one for each 100,000 rows)")
  var shards: Int?
  @Option(help: "The most tokens a row, special tokens included; longer rows are cut.")
  var maxLength = 128
  @Option(help: "Column of the text. (default: Tweet, else text, else sentence)")
  var textColumn: String?
  @Option(help: "Column of the second text, where rows are pairs.")
  var pairColumn: String?
  @Option(help: "Column that names a row. (default: ID or id, else the row's number from 0)")
  var idColumn: String?
  @Option(
    help: "Columns of the labels, between commas, in this order. (default: all other columns)")
  var labels: String?
  @Option(help: "How the files are written: tsv, csv or jsonl. (default: by their extension)")
  var inputFormat: DatasetFormat?
  @Flag(help: "Replace the shards that are at --output.")
  var overwrite = false
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    if let shards, shards < 1 { throw ValidationError("--shards \(shards): give at least 1") }
    if files.contains("-"), inputFormat == nil {
      throw ValidationError("-: name the form of standard input with --input-format")
    }
    if let labels, labels.split(separator: ",", omittingEmptySubsequences: false).contains("") {
      throw ValidationError("--labels \(labels): give names between commas, none of them empty")
    }
  }

  func run() throws {
    let began = ContinuousClock.now
    let tokenizer = try Tokenizer(modelFolder: model)
    let least = tokenizer.numSpecialTokens(isPair: pairColumn != nil)
    guard maxLength >= least else {
      throw ValidationError(
        "--max-length \(maxLength) has no place for the \(least) special tokens of a row")
    }
    let reader = try DatasetReader(
      paths: files, format: inputFormat,
      columns: DatasetColumns(
        text: textColumn, pair: pairColumn, id: idColumn,
        labels: labels?.split(separator: ",").map(String.init)))
    let writer = try ShardWriter(
      destination: output,
      description: ShardDescription(
        labelNames: reader.labelNames, maxLength: maxLength,
        vocabularySHA256: tokenizer.vocabularySHA256, hasPairs: reader.hasPairs),
      rows: try reader.countRows(), shards: shards, overwriting: overwrite)
    let manifest = try write(reader, tokenizer, writer)
    try report(manifest, seconds: (ContinuousClock.now - began) / .seconds(1))
  }

  private func write(
    _ reader: DatasetReader, _ tokenizer: Tokenizer, _ writer: ShardWriter
  ) throws -> ShardManifest {
    // From here on there is a hidden folder to remove.
    let interruption = Interruption()
    var bar = ProgressBar(label: "shard", total: writer.rows, unit: "rows")
    defer { bar.clear() }
    var done = 0
    try reader.forEachRow { row in
      let encoding = try tokenizer.encode(row.text, pair: row.pair, maxLength: maxLength)
      try writer.append(
        ids: encoding.ids, typeIDs: encoding.typeIDs, rowID: row.id, labels: row.labels)
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

  private func report(_ manifest: ShardManifest, seconds: Double) throws {
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

extension DatasetFormat: ExpressibleByArgument {}
