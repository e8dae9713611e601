import Foundation
import Shards

extension TrainingSetup {
  /// What README.md of a checkpoint tells.
  ///
  /// - Parameter metrics: Of the very parameters of `state`; nil where they were not evaluated.
  func card(_ state: TrainerState, metrics: (any TaskMetrics)?) -> ModelCard {
    func dataSet(_ data: ShardFolder) -> ModelCard.DataSet {
      ModelCard.DataSet(
        name: URL(fileURLWithPath: data.path).lastPathComponent, rows: data.rows,
        sha256: data.manifestSHA256)
    }
    return ModelCard(
      configuration: configuration, state: state, metrics: metrics, train: dataSet(train),
      validation: dataSet(validation), maxLength: train.maxLength, hasPairs: train.hasPairs)
  }
}
