import Checkpoints
import Encoders
import Foundation
import Kernels
import Training

/// The model that a benchmark is of: a folder's, or one of a named size with random weights.
package struct BenchmarkModel {
  package let name: String
  package var configuration: ModelConfiguration
  /// nil for a named size.
  private let folder: String?

  /// - Parameter name: A folder in Hugging Face's layout, or minilm, bert-base, bert-large.
  /// - Throws: An error naming the file and key.
  package init(_ name: String) throws {
    self.name = name
    let isFolder = FileManager.default.fileExists(atPath: name)
    if !isFolder,
      let named = ModelConfiguration(named: name, labelNames: TweetLikeRows.labelNames)
    {
      configuration = named
      folder = nil
    } else {
      configuration = try ModelConfiguration(modelFolder: name)
      folder = name
    }
  }

  /// Fills `parameters` [count of the layout] with the folder's weights, or with random ones as BERT
  /// begins with: normal(0, initializer_range), biases 0, norms' weights 1.
  ///
  /// - Parameters:
  ///   - seed: of the random ones, and of a head that the folder does not have.
  ///   - progress: Called now and then, by this thread.
  package func load(
    _ model: EncoderModel, into parameters: MutableFloats, seed: UInt64, _ pool: ThreadPool,
    progress: () -> Void = {}
  ) throws {
    if let folder {
      _ = try loadParameters(
        of: model, from: ModelFolder(path: folder), into: parameters, initialisingWith: seed,
        progress: progress)
      return
    }
    initializeParameters(of: model, in: parameters, seed: seed, pool, progress: progress)
  }

  /// Path of a folder with the model: its own, or one written in `scratch` for a named size.
  package func folder(in scratch: ScratchFolder, _ pool: ThreadPool) throws -> String {
    if let folder { return folder }
    let path = scratch.path + "/model"
    let model = EncoderModel(configuration)
    let parameters = Arena(count: model.layout.count)
    try load(model, into: parameters.base, seed: 42, pool)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try withExtendedLifetime(parameters) {
      _ = try writeSafetensors(
        tensors(of: model.layout, in: parameters), to: path + "/model.safetensors")
    }
    try configuration.json().write(to: URL(fileURLWithPath: path + "/config.json"))
    return path
  }
}
