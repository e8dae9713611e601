import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Shards

/// A fine-tuned model folder, ready to evaluate and predict.
package final class TrainedModel {
  package let evaluator: Evaluator
  /// Those that training has tuned; nil where the folder has none.
  package let thresholds: LabelThresholds?
  private let configuration: ModelConfiguration
  private let path: String
  private let parameters: Arena
  private let pool: ThreadPool

  package var task: Task { configuration.task }
  package var vocabularySize: Int { configuration.vocabularySize }
  package var labelNames: [String] { configuration.labelNames }
  package var maxTokens: Int { configuration.maxTokens }

  /// Rows as the model takes them: see `ModelConfiguration.batch`.
  package func batch(
    inputIDs: [Int32], typeIDs: [UInt8]? = nil, cumulativeLengths: [Int32], rows: [UInt32],
    masked: [Int32] = []
  ) -> PackedBatch {
    configuration.batch(
      inputIDs: inputIDs, typeIDs: typeIDs, cumulativeLengths: cumulativeLengths, rows: rows,
      masked: masked)
  }

  /// - Parameters:
  ///   - threads: nil for the machine's cores.
  ///   - layerDone: Called after every layer of every batch.
  /// - Throws: Errors that name the file, key or tensor.
  package init(
    folder path: String, threads: Int?, layerDone: @escaping () -> Void = {}
  ) throws {
    self.path = path
    configuration = try ModelConfiguration(modelFolder: path)
    thresholds =
      configuration.task == .multiLabel
      ? try LabelThresholds(modelFolder: path, labelNames: configuration.labelNames) : nil
    let model = EncoderModel(configuration)
    let weights = try ModelFolder(path: path)
    try requireTensors(of: model, in: weights, allowingNewHead: false)
    parameters = Arena(count: model.layout.count)
    _ = try loadParameters(
      of: model, from: weights, into: parameters.base, initialisingWith: nil, progress: layerDone)
    pool = ThreadPool(threads: threads ?? defaultThreads(localRanks: 1))
    evaluator = Evaluator(model: model, parameters: parameters, pool: pool, layerDone: layerDone)
  }

  /// The metrics over all rows, which the ranks share; a collective call.
  ///
  /// - Parameter progress: Told the rows that this rank has done.
  /// - Returns: On rank 0; else nil.
  /// - Throws: Errors of reading, of rows that the model cannot take, and of ranks that have another
  ///   model or other shards than rank 0; on all ranks.
  package func evaluate(
    _ data: ShardFolder, threshold: Double, masking: WordMasking?,
    over communicator: Communicator, progress: (Int) -> Void
  ) throws -> (any TaskMetrics)? {
    if communicator.size > 1 { try requireSame(data, over: communicator) }
    return try evaluator.evaluate(
      data, ranks: communicator.size, threshold: threshold,
      tuned: thresholds.map { .known($0) } ?? .none, masking: masking, over: communicator,
      progress: progress)
  }

  /// Refuses nodes whose copies of the model or the shards differ.
  private func requireSame(_ data: ShardFolder, over communicator: Communicator) throws {
    let digest = Digest.of(parameters.base, count: parameters.count, pool)
    let mine = "parameters \(digest), shards \(data.manifestSHA256)"
    let expected = try communicator.share { Data(mine.utf8) }
    try communicator.agree {
      guard expected == Data(mine.utf8) else {
        throw TrainingError(
          .data, "rank \(communicator.rank) on \(communicator.host): \(path), \(data.path)",
          expected: "the model and the shards of rank 0",
          found: "others (\(mine))", remedy: "copy the same folders to every node")
      }
    }
  }

  /// Refuses shards whose labels are not the model's.
  ///
  /// - Throws: `TrainingError` naming both.
  package func requireLabels(of data: ShardFolder, at dataPath: String) throws {
    guard Task(data.task) == task else {
      throw TrainingError(
        .data, dataPath, expected: "shards for \(task.rawValue), as \(path) is",
        found: "shards for \(data.task.rawValue)", remedy: "shard the data with that --task")
    }
    guard data.labelNames != labelNames, data.task.hasLabelNames else { return }
    throw TrainingError(
      .data, dataPath,
      expected: "the labels of \(path): \(labelNames.joined(separator: ", "))",
      found: data.labelNames.joined(separator: ", "),
      remedy: "shard the data with those --labels, or use the model of these labels")
  }
}
