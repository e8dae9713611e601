import Checkpoints
import Encoders
import Foundation
import Kernels

/// A BERT so small that a step takes a millisecond, with a vocabulary of its own.
enum TinyModel {
  static let words =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"#@-_:;()&/*%$+=<>"
    .flatMap { ["\($0)", "##\($0)"] }
    + [
      "the", "to", "and", "of", "is", "it", "in", "for", "my", "on", "##ing", "##ed", "##ly", "so",
    ]

  static func configuration(labels: [String] = ["LABEL_0", "LABEL_1"]) -> ModelConfiguration {
    ModelConfiguration(
      vocabularySize: words.count, hiddenSize: 24, layerCount: 2, headCount: 4,
      intermediateSize: 40, maxPositions: 160, labelNames: labels)
  }

  /// Writes a pretrained encoder without a head: config.json, weights, vocabulary.
  static func write(to folder: String, words: [String] = words) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var configuration = configuration()
    configuration.vocabularySize = words.count
    let model = EncoderModel(configuration)
    let weights = Arena(count: model.layout.count)
    for parameter in model.layout.parameters {
      Philox4x32.normal(
        into: weights.base + parameter.offset, count: parameter.count, seed: 5,
        name: parameter.name, standardDeviation: 0.1)
      guard parameter.name.hasSuffix("LayerNorm.weight") else { continue }
      for index in parameter.range { weights.base[index] += 1 }
    }
    let encoder = model.layout.parameters.filter { !$0.name.hasPrefix("classifier.") }
    _ = try writeSafetensors(
      encoder.map {
        TensorView(name: $0.name, shape: $0.shape, base: weights.base + $0.offset)
      }, to: folder + "/model.safetensors")
    try configuration.json().write(to: URL(fileURLWithPath: folder + "/config.json"))
    try Data((words.joined(separator: "\n") + "\n").utf8)
      .write(to: URL(fileURLWithPath: folder + "/vocab.txt"))
    try Data(#"{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}"#.utf8)
      .write(to: URL(fileURLWithPath: folder + "/tokenizer_config.json"))
  }

  /// Rows of the sample in launch/: the header and the first `rows` others.
  static func table(rows: Int, of file: String = "train.txt") throws -> String {
    let path = Program.package + "/launch/sample/" + file
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    return lines.prefix(rows + 1).joined(separator: "\n") + "\n"
  }
}

/// A tiny model with shards to train and evaluate on.
final class TinyJob {
  let folder: TemporaryFolder
  var model: String { folder.path + "/model" }
  var train: String { folder.path + "/train" }
  var validation: String { folder.path + "/validation" }

  init(rows: Int = 61, validationRows: Int = 23) throws {
    folder = try TemporaryFolder()
    try TinyModel.write(to: model)
    try shard(TinyModel.table(rows: rows), to: train)
    try shard(TinyModel.table(rows: validationRows, of: "dev.txt"), to: validation)
  }

  func shard(_ table: String, to output: String, shards: Int = 2) throws {
    let file = try folder.write("table.txt", table)
    let result = try Program.run([
      "shard", file, "--model", model, "--output", output, "--shards", "\(shards)",
      "--max-length", "64",
    ])
    guard result.status == 0 else { throw Failure(result.errors) }
  }

  /// Arguments of a run into `output`, a name within the job's folder.
  func arguments(output: String, _ more: String...) -> [String] {
    [
      "train", "--model", model, "--train", train, "--validation", validation, "--output",
      folder.path + "/" + output, "--learning-rate", "1e-3", "--batch-size", "6",
    ] + more
  }

  /// The step records of a run.
  func steps(of output: String) throws -> [[String: Any]] {
    try records(of: output).filter { $0["event"] as? String == "step" }
  }

  func records(of output: String) throws -> [[String: Any]] {
    let path = folder.path + "/" + output + "/metrics.jsonl"
    return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
    }
  }

  /// The bytes of a file of a run's checkpoint.
  func bytes(_ output: String, _ checkpoint: String, _ name: String) throws -> Data {
    try Data(
      contentsOf: URL(fileURLWithPath: "\(folder.path)/\(output)/\(checkpoint)/\(name)"))
  }

  struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }
}
