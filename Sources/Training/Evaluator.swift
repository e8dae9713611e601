import Encoders
import Kernels
import Shards

/// Runs a model without dropout over rows, for evaluation and prediction.
///
/// S sequences, L labels.
package final class Evaluator {
  private let model: SequenceClassifier
  private let parameters: Arena
  private let activations: Activations
  private let pool: ThreadPool
  private let layerDone: () -> Void

  /// Rows of one forward pass.
  private static let batchSize = 32

  /// - Parameters:
  ///   - parameters: `model.layout.count` floats, read only.
  ///   - layerDone: Called after every layer of every batch.
  package init(
    model: SequenceClassifier, parameters: Arena, pool: ThreadPool,
    layerDone: @escaping () -> Void = {}
  ) {
    self.model = model
    self.parameters = parameters
    self.pool = pool
    self.layerDone = layerDone
    activations = Activations(model.configuration, isTraining: false, threads: pool.threads)
  }

  /// Logits [S, L], row-major.
  ///
  /// - Throws: `EncoderError` for a batch that the model cannot take.
  package func logits(_ batch: PackedBatch) throws -> [Float] {
    try batch.check(against: model.configuration)
    model.forward(batch, parameters.base, activations, dropout: nil, pool, progress: layerDone)
    let count = batch.sequenceCount * model.configuration.labelNames.count
    let logits = Array(UnsafeBufferPointer(start: activations.logits, count: count))
    if let bad = logits.firstIndex(where: { !$0.isFinite }) {
      let row = batch.rows[bad / model.configuration.labelNames.count]
      throw TrainingError(
        .data, "row \(row)", expected: "finite logits", found: "\(logits[bad])",
        remedy: "check that the weights are finite: training may have diverged")
    }
    return logits
  }

  /// The metrics over all rows of a shard folder.
  ///
  /// - Parameter progress: Told the rows done; may throw to end it there.
  /// - Throws: Errors of reading, of rows that the model cannot take, and what `progress` throws.
  package func evaluate(
    _ data: ShardFolder, threshold: Double = 0.5, progress: (Int) throws -> Void = { _ in }
  ) throws -> MultiLabelMetrics {
    let labelCount = model.configuration.labelNames.count
    var logits: [Float] = []
    var labels: [Float] = []
    logits.reserveCapacity(data.rows * labelCount)
    labels.reserveCapacity(data.rows * labelCount)
    for start in stride(from: 0, to: data.rows, by: Self.batchSize) {
      let rows = Array(start..<min(start + Self.batchSize, data.rows))
      let part = try labelledBatch(data.read(rows))
      logits += try self.logits(part.batch)
      labels += part.labels
      try progress(start + rows.count)
    }
    return MultiLabelMetrics(
      logits: logits, labels: labels, labelCount: labelCount, threshold: threshold)
  }
}

/// What a shard gave, as the model takes it.
///
/// - Parameter parts: The micro-batches, by rows; nil for one.
package func labelledBatch(_ rows: RowBatch, parts: Parts? = nil) -> Replica.LabelledBatch {
  Replica.LabelledBatch(
    batch: PackedBatch(
      inputIDs: rows.inputIDs, typeIDs: rows.typeIDs, cumulativeLengths: rows.cumulativeLengths,
      rows: rows.rows, parts: parts),
    labels: rows.labels)
}
