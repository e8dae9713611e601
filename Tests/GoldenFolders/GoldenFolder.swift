import Checkpoints
import Encoders
import Foundation
import Kernels
import Training

/// One model with a batch, and what Hugging Face and PyTorch compute of them: config.json,
/// model.safetensors, batch.safetensors, expected.safetensors, train.json.
package struct GoldenFolder {
  /// What one of the optimizer's steps on that batch found before its update.
  package struct StepRecord: Decodable {
    /// From 1.
    package let step: Int
    package let loss: Double
    package let gradNorm: Double
  }

  package let path: String
  package let configuration: ModelConfiguration
  package let inputs: GoldenTensors
  package let expected: GoldenTensors
  package let steps: [StepRecord]

  /// - Throws: `EncoderError` for a model that is not supported, and errors of files.
  package init(path: String) throws {
    self.path = path
    configuration = try ModelConfiguration(modelFolder: path)
    expected = try GoldenTensors(path + "/expected.safetensors")
    inputs = try GoldenTensors(path + "/batch.safetensors")
    steps = try Reference.decoder.decode(
      [StepRecord].self, from: Data(contentsOf: URL(fileURLWithPath: path + "/train.json")))
  }

  /// What the optimizer's steps were made with, beside AdamW's defaults.
  package var schedule: LearningRateSchedule {
    LearningRateSchedule(shape: .linear, peak: 1e-3, warmupRatio: 0, totalSteps: steps.count)
  }
  package static let weightDecay = 0.01
  package static let maxGradNorm = 1.0

  /// Rows of the batch.
  package var rowCount: Int { get throws { try inputs.shape("input_ids")[0] } }

  /// Reads the model's weights, all of them.
  package func load(into replica: Replica) throws {
    _ = try loadParameters(
      of: replica.model, from: ModelFolder(path: path), into: replica.parameters.base,
      initialisingWith: nil)
  }

  /// GOLDEN_DIR, or shared/golden, or where that is absent the fixtures.
  package static var directory: String {
    Reference.environment("GOLDEN_DIR")
      ?? (Reference.exists(Reference.shared + "/golden") ? Reference.shared : Reference.fixtures)
      + "/golden"
  }

  /// The paths of all folders with a model in ``directory``, in the order of their names.
  package static func paths() throws -> [String] {
    if directory.hasPrefix(Reference.fixtures) {
      print("passed over shared/golden, which is absent: only the fixtures are checked")
    }
    return try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
      .map { "\(directory)/\($0)" }.filter { Reference.exists("\($0)/config.json") }
  }

  /// The folder, or nil and a note where its model is not supported.
  package static func ifSupported(_ path: String) throws -> GoldenFolder? {
    do {
      return try GoldenFolder(path: path)
    } catch let error as EncoderError {
      print("passed over \(path): \(error)")
      return nil
    }
  }
}
