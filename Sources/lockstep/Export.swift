import ArgumentParser
import Checkpoints
import Encoders
import Foundation
import Manifests
import Tokenizers
import Training

extension WeightType: ExpressibleByArgument {}

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a fine-tuned model as a clean Hugging Face folder.",
    discussion: """
      config.json, the weights as safetensors in the type asked for, the tokenizer's files and the model \
      card; no optimizer, no state of the run. A run folder stands for its best checkpoint. The folder \
      appears whole or not at all, and the same model gives the same bytes.
      """)

  @Option(help: "Checkpoint, run folder, or any fine-tuned model folder.", completion: .directory)
  var model: String
  @Option(help: "Folder to write; its parent must exist.", completion: .directory)
  var output: String
  @Option(help: "Type of the weights: float32, float16 or bfloat16.")
  var dtype = WeightType.float32
  @Option(help: "Size of a weight file at most, e.g. 5GB or 500MB.")
  var maxShardSize = ByteCount(5_000_000_000)
  @Flag(help: "Replace the earlier export that is at --output.")
  var overwrite = false
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func run() throws {
    let source = try modelFolder()
    let configuration = try ModelConfiguration(modelFolder: source)
    guard configuration.pooling == .first else {
      throw TrainingError(
        .data, "\(source)/config.json: pooling", expected: "cls, which other programs compute",
        found: configuration.pooling.rawValue,
        remedy: "use the checkpoint with lockstep, or train with --pooling cls")
    }
    let weights = try ModelFolder(path: source)
    try requireTensors(of: EncoderModel(configuration), in: weights, allowingNewHead: false)
    let card = try card(of: source)
    let export = try ModelExport(
      of: weights, as: dtype, configuration: exported(configuration.json()),
      files: Tokenizer.files(inModelFolder: source) + thresholds(in: source),
      texts: card.map { [(ModelCard.fileName, $0)] } ?? [])
    for name in export.leftOut {
      writeLine("\(source): \(quoted(name)) is left out: a buffer that programs compute")
    }
    let receipt = try write(export, card: card)
    let size = String(format: "%.1f MB", Double(receipt.tensorBytes) / 1e6)
    writeLine(
      "\(output): \(receipt.parameters) parameters in \(dtype.rawValue), \(size), from \(source)")
    if format == .json { try printJSON(Result(receipt, of: export, self, source: source)) }
  }

  /// What `predict --threshold tuned` reads, where there is one.
  private func thresholds(in folder: String) -> [String] {
    exists("\(folder)/\(LabelThresholds.fileName)") ? [LabelThresholds.fileName] : []
  }

  /// The folder that --model stands for.
  private func modelFolder() throws -> String {
    let run = RunFolder(path: model)
    if exists("\(run.path)/config.json") { return run.path }
    // The checkpoint itself, since the link may move on meanwhile.
    if let step = try run.step(of: .best) { return run.checkpointPath(step: step) }
    throw TrainingError(
      .data, model, expected: "a model folder, or a run with a best checkpoint",
      found: exists(model) ? "no config.json and no best" : "nothing there",
      remedy: "name a checkpoint, or train until the first evaluation")
  }

  /// config.json as others read it: with the type of the weights, and without what concerns only
  /// lockstep or the machine that the model came from.
  private func exported(_ json: Data) throws -> [UInt8] {
    var keys = try JSONDecoder().decode([String: JSONValue].self, from: json)
    keys["torch_dtype"] = nil
    keys["dtype"] = .string(dtype.rawValue)
    keys["_name_or_path"] = nil
    for key in keys.keys where key.hasPrefix("lockstep") { keys[key] = nil }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(keys)) + [UInt8(ascii: "\n")]
  }

  /// README.md as the export has it: with a word on rounded weights; nil where there is none.
  private func card(of source: String) throws -> [UInt8]? {
    guard var card = try readme(in: source) else { return nil }
    if dtype != .float32 {
      let remark = "These weights were rounded to \(dtype.rawValue) by lockstep \(Release.version)."
      card += Array("\n## This copy\n\n\(remark)\n".utf8)
    }
    return card
  }

  private func readme(in folder: String) throws -> [UInt8]? {
    guard exists("\(folder)/\(ModelCard.fileName)") else { return nil }
    return try contents(ofFile: containedFile(ModelCard.fileName, in: folder), limit: 16 << 20)
  }

  /// Whether what is at --output is lockstep's to replace: a card that it wrote, not a person's text.
  private func mayReplaceCard(with card: [UInt8]?) throws -> Bool {
    guard let found = try readme(in: output) else { return false }
    return found == card
      || String(decoding: found, as: UTF8.self).contains(ModelCard.marker)
  }

  private func write(_ export: ModelExport, card: [UInt8]?) throws -> ModelExport.Receipt {
    let replaced = try overwrite && mayReplaceCard(with: card) ? [ModelCard.fileName] : []
    let interruption = Interruption()
    var bar = ProgressBar(
      label: "export", total: max(1, export.tensorBytes >> 20), unit: "MiB")
    defer { bar.clear() }
    var done = 0
    do {
      return try export.write(
        to: output,
        overwriting: overwrite
          ? Tokenizer.files(inModelFolder: output) + thresholds(in: output) + replaced : nil,
        maxShardBytes: maxShardSize.bytes
      ) { bytes in
        if interruption.isSignalled { throw Stopped() }
        done += bytes
        bar.update(min(done, export.tensorBytes) >> 20)
      }
    } catch is Stopped {
      bar.clear()
      writeLine("\(output): stopped by a signal, nothing was written; run the command again")
      throw ExitCode(ExitCodes.interrupted)
    }
  }

  private struct Stopped: Error {}
}

private struct Result: Encodable {
  struct File: Encodable {
    let name: String
    let bytes: Int64
    let sha256: String
  }

  let model, output, dtype: String
  let tensors, parameters: Int
  let bytes: Int64
  let leftOut: [String]
  let files: [File]

  enum CodingKeys: String, CodingKey {
    case model, output, dtype, tensors, parameters, bytes, files
    case leftOut = "left_out"
  }

  init(_ receipt: ModelExport.Receipt, of export: ModelExport, _ command: Export, source: String) {
    model = source
    output = command.output
    dtype = command.dtype.rawValue
    tensors = receipt.tensors
    parameters = receipt.parameters
    bytes = receipt.files.reduce(0) { $0 + $1.bytes }
    leftOut = export.leftOut
    files = receipt.files.map { File(name: $0.name, bytes: $0.bytes, sha256: $0.sha256) }
  }
}
