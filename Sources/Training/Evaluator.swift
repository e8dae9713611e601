import Encoders
import Kernels
import Shards

/// Runs a model without dropout over rows, for evaluation and prediction.
///
/// S sequences, L labels.
package final class Evaluator {
  private let model: EncoderModel
  private let parameters: Arena
  private let activations: Activations
  private let pool: ThreadPool
  private let layerDone: () -> Void

  /// Rows of one forward pass. Tweets are as fast from 16 to 64 of them, and slower beyond: the
  /// activations leave the caches.
  private static let batchSize = 32

  /// - Parameters:
  ///   - parameters: `model.layout.count` floats, read only.
  ///   - layerDone: Called after every layer of every batch.
  package init(
    model: EncoderModel, parameters: Arena, pool: ThreadPool,
    layerDone: @escaping () -> Void = {}
  ) {
    self.model = model
    self.parameters = parameters
    self.pool = pool
    self.layerDone = layerDone
    activations = Activations(model, isTraining: false, threads: pool.threads)
  }

  /// Logits [S, L], row-major.
  ///
  /// - Throws: `EncoderError` for a batch that the model cannot take.
  package func logits(_ batch: PackedBatch) throws -> [Float] {
    try batch.check(against: model.configuration)
    model.forward(batch, parameters.base, activations, dropout: nil, pool, progress: layerDone)
    let named = model.logits(batch, activations, pool)[0]
    let logits = Array(
      UnsafeBufferPointer(start: named.values, count: named.rows * named.columns))
    if let bad = logits.firstIndex(where: { !$0.isFinite }) {
      let row = batch.rows[bad / model.configuration.labelNames.count]
      throw TrainingError(
        .data, "row \(row)", expected: "finite logits", found: "\(logits[bad])",
        remedy: "check that the weights are finite: training may have diverged")
    }
    return logits
  }

  /// What the model says of rows, and what is true of them.
  struct Outputs {
    /// [S, L]
    var logits: [Float] = []
    /// [S, L]
    var labels: [Float] = []
  }

  /// - Parameters:
  ///   - rows: A range from ``share(of:among:rows:)``: logits depend in their last bits on the batch
  ///     that a row is in, so the batches must not depend on who computes them.
  ///   - progress: Told the rows done; may throw to end it there.
  /// - Throws: Errors of reading, of rows that the model cannot take, and what `progress` throws.
  func outputs(
    of data: ShardFolder, rows: Range<Int>, progress: (Int) throws -> Void = { _ in }
  ) throws -> Outputs {
    precondition(rows.lowerBound % Self.batchSize == 0 || rows.isEmpty, "whole batches")
    let count = rows.count * model.configuration.labelNames.count
    var outputs = Outputs()
    outputs.logits.reserveCapacity(count)
    outputs.labels.reserveCapacity(count)
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.batchSize) {
      let end = min(start + Self.batchSize, rows.upperBound)
      let part = try labelledBatch(data.read(Array(start..<end)))
      outputs.logits += try logits(part.batch)
      if case .multiLabel(let labels) = part.targets { outputs.labels += labels }
      try progress(end - rows.lowerBound)
    }
    return outputs
  }

  /// The rows of one of several ranks: a stretch of whole batches, as many as the others' but for one.
  static func share(of rank: Int, among ranks: Int, rows: Int) -> Range<Int> {
    let batches = (rows + batchSize - 1) / batchSize
    func start(_ rank: Int) -> Int { min(rank * batches / ranks * batchSize, rows) }
    return start(rank)..<start(rank + 1)
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
    targets: .multiLabel(rows.labels))
}
