import Encoders
import Foundation

/// BERT of the size that `--size` names, for the vocabulary of the model folder's tokenizer.
///
/// - Throws: `TrainingError` for a size without a name, a folder without a tokenizer, and one whose
///   config.json is of another family: its reader would expect that one, and gets a BERT.
func sizedConfiguration(
  _ size: String, vocabularyCount: Int?, modelFolder folder: String
) throws -> ModelConfiguration {
  guard let vocabularyCount else {
    throw TrainingError(
      .data, folder, expected: "a tokenizer, whose vocabulary sizes the model",
      found: "none", remedy: "put tokenizer.json or vocab.txt into the folder")
  }
  guard let configuration = ModelConfiguration(size: size, vocabularySize: vocabularyCount) else {
    throw TrainingError(
      .usage, "--size", expected: ModelConfiguration.sizes.joined(separator: ", "), found: size,
      remedy: "name one of these, or give a config.json with --initial-weights random")
  }
  guard FileManager.default.fileExists(atPath: folder + "/config.json") else {
    return configuration
  }
  let found = try ModelConfiguration(modelFolder: folder).architecture
  guard found == configuration.architecture else {
    throw TrainingError(
      .usage, "--size \(size)",
      expected: "the folder of a \(configuration.architecture.modelType), or of a tokenizer alone",
      found: "\(found.modelType) in \(folder)/config.json",
      remedy: "leave --size out and give a config.json of the size with --initial-weights random")
  }
  return configuration
}

/// Refuses to pre-train a family without a head for it.
///
/// - Parameter path: config.json's, for the error.
/// - Throws: `TrainingError` naming the families that have one.
func requirePretrainingHead(of architecture: Architecture, path: String) throws {
  guard !architecture.pretrains else { return }
  throw TrainingError(
    .data, "\(path): model_type",
    expected: Architecture.all.filter(\.pretrains).map(\.modelType).joined(separator: ", ")
      + ", which has a head for pre-training",
    found: architecture.modelType,
    remedy: "pre-train one of these, or fine-tune this model on shards of another task")
}
