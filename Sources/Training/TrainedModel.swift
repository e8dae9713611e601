import Checkpoints
import Encoders
import Kernels
import Shards

/// A fine-tuned model folder, ready to evaluate and predict.
package final class TrainedModel {
  package let evaluator: Evaluator
  private let configuration: ModelConfiguration
  private let path: String

  package var labelNames: [String] { configuration.labelNames }
  package var maxPositions: Int { configuration.maxPositions }

  /// - Parameter threads: nil for the machine's cores.
  /// - Throws: Errors that name the file, key or tensor.
  package init(folder path: String, threads: Int?) throws {
    self.path = path
    configuration = try ModelConfiguration(modelFolder: path)
    guard configuration.problemType ?? "multi_label_classification" == "multi_label_classification"
    else {
      throw TrainingError(
        .data, path + "/config.json: problem_type", expected: "multi_label_classification",
        found: configuration.problemType ?? "null", remedy: "use a multi-label classifier")
    }
    let model = SequenceClassifier(configuration)
    let weights = try ModelFolder(path: path)
    try requireTensors(of: model, in: weights, allowingNewHead: false)
    let parameters = Arena(count: model.layout.count)
    _ = try loadParameters(
      of: model, from: weights, into: parameters.base, initialisingWith: nil)
    let pool = ThreadPool(threads: threads ?? defaultThreads(localRanks: 1))
    evaluator = Evaluator(model: model, parameters: parameters, pool: pool)
  }

  /// Refuses shards whose labels are not the model's.
  ///
  /// - Throws: `TrainingError` naming both.
  package func requireLabels(of data: ShardFolder, at dataPath: String) throws {
    guard data.labelNames != labelNames else { return }
    throw TrainingError(
      .data, dataPath,
      expected: "the labels of \(path): \(labelNames.joined(separator: ", "))",
      found: data.labelNames.joined(separator: ", "),
      remedy: "shard the data with those --labels, or use the model of these labels")
  }
}
