import Encoders
import Foundation
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
  package static let batchSize = 32

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

  /// What the model says of a batch: its logits, row-major; [S, L], or [T, L] where tokens have them, the
  /// real ones.
  ///
  /// - Throws: `EncoderError` for a batch that the model cannot take, `TrainingError` for logits that are
  ///   not finite.
  package func logits(_ batch: PackedBatch) throws -> [Float] {
    let named = try forward(batch)[0]
    let logits = Array(
      UnsafeBufferPointer(start: named.values, count: named.rows * named.columns))
    try requireFinite(logits, batch)
    return model.configuration.task.labelsTokens
      ? batch.withoutPadding(logits, columns: named.columns) : logits
  }

  /// The floats that the metrics of the task are made of: the logits; in pre-training, whose logits are
  /// many, five floats a row (see ``pretrainingOutputs(_:)``).
  func outputs(_ labelled: Replica.LabelledBatch) throws -> [Float] {
    model.configuration.task == .pretraining
      ? try pretrainingOutputs(labelled) : try logits(labelled.batch)
  }

  /// What a model in pre-training says of a batch.
  package struct HiddenWords {
    /// [M] The likeliest words of each masked token, the first one first.
    package let words: [[(id: Int32, probability: Double)]]
    /// [S] The probability that a row's second text follows its first.
    package let followProbabilities: [Double]
  }

  /// Predicts the words of a batch's masked tokens.
  ///
  /// - Parameter best: How many words to give for each.
  /// - Throws: As ``logits(_:)``.
  /// - Precondition: The task is pre-training.
  package func hiddenWords(of batch: PackedBatch, best count: Int) throws -> HiddenWords {
    precondition(model.configuration.task == .pretraining, "another task hides no words")
    let logits = try forward(batch)
    let (words, next) = (logits[0], logits[1])
    let pairs = Array(UnsafeBufferPointer(start: next.values, count: 2 * next.rows))
    try requireFinite(pairs, batch)
    let found = try (0..<words.rows).map { row in
      let logits = UnsafeBufferPointer(
        start: words.values + row * words.columns, count: words.columns)
      if let bad = logits.first(where: { !$0.isFinite }) {
        throw Self.notFinite("masked token \(row) of a batch", bad)
      }
      return likeliest(logits, count: count)
    }
    return HiddenWords(
      words: found,
      followProbabilities: (0..<next.rows).map {
        probability(ofLogit: Double(pairs[2 * $0]) - Double(pairs[2 * $0 + 1]))
      })
  }

  private func likeliest(
    _ logits: UnsafeBufferPointer<Float>, count: Int
  ) -> [(id: Int32, probability: Double)] {
    let largest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0) { $0 + exp(Double($1) - largest) }
    var best: [Int] = []
    for index in logits.indices
    where best.count < count || logits[index] > logits[best[best.count - 1]] {
      let place = best.firstIndex { logits[$0] < logits[index] } ?? best.count
      best.insert(index, at: place)
      if best.count > count { best.removeLast() }
    }
    return best.map { (Int32($0), exp(Double(logits[$0]) - largest) / sum) }
  }

  private func forward(_ batch: PackedBatch) throws -> [Logits] {
    try batch.check(against: model.configuration)
    model.forward(batch, parameters.base, activations, dropout: nil, pool, progress: layerDone)
    return model.logits(batch, activations, pool)
  }

  private func requireFinite(_ values: [Float], _ batch: PackedBatch) throws {
    guard let bad = values.firstIndex(where: { !$0.isFinite }) else { return }
    // As many values for each row, or for each token.
    let ofRows = values.count / max(1, batch.sequenceCount)
    let row =
      model.configuration.task.labelsTokens
      ? batch.row(ofToken: bad * batch.tokenCount / values.count) : batch.rows[bad / ofRows]
    throw Self.notFinite("row \(row)", values[bad])
  }

  private static func notFinite(_ place: String, _ value: Float) -> TrainingError {
    TrainingError(
      .data, place, expected: "finite logits", found: "\(value)",
      remedy: "check that the weights are finite: training may have diverged")
  }

  /// [S, 5] Of each row the sum of its hidden words' cross-entropies, how many of them are found, how many
  /// there are, and the logits of the next sentence.
  private func pretrainingOutputs(_ labelled: Replica.LabelledBatch) throws -> [Float] {
    guard case .pretraining(let masked, _) = labelled.targets else {
      preconditionFailure("rows of another task")
    }
    let logits = try forward(labelled.batch)
    let (words, next) = (logits[0], logits[1])
    var losses = [Double](repeating: 0, count: masked.ids.count)
    var predictions = [Int32](repeating: 0, count: masked.ids.count)
    losses.withUnsafeMutableBufferPointer { losses in
      predictions.withUnsafeMutableBufferPointer { predictions in
        guard let losses = losses.baseAddress, let predictions = predictions.baseAddress,
          !masked.ids.isEmpty
        else { return }
        VocabularyCrossEntropy.evaluate(
          losses, predictions, words.values, masked.ids, rows: words.rows,
          vocabulary: words.columns, pool)
      }
    }
    var word = 0
    return labelled.batch.rows.indices.flatMap { s -> [Float] in
      let end = labelled.batch.cumulativeLengths[s + 1]
      var (loss, right, count) = (0.0, 0, 0)
      while word < masked.tokens.count, masked.tokens[word] < end {
        loss += losses[word]
        right += predictions[word] == masked.ids[word] ? 1 : 0
        count += 1
        word += 1
      }
      return [Float(loss), Float(right), Float(count), next.values[2 * s], next.values[2 * s + 1]]
    }
  }

  /// - Parameters:
  ///   - rows: A range from ``share(of:among:rows:)``: logits depend in their last bits on the batch
  ///     that a row is in, so the batches must not depend on who computes them.
  ///   - progress: Told the rows done; may throw to end it there.
  /// - Returns: ``outputs(_:)`` of all rows.
  /// - Throws: Errors of reading, of rows that the model cannot take, and what `progress` throws.
  func outputs(
    of data: ShardFolder, rows: Range<Int>, masking: WordMasking?,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> [Float] {
    precondition(rows.lowerBound % Self.batchSize == 0 || rows.isEmpty, "whole batches")
    var outputs: [Float] = []
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.batchSize) {
      let end = min(start + Self.batchSize, rows.upperBound)
      outputs += try self.outputs(
        Replica.LabelledBatch(
          data.read(Array(start..<end)), for: model.configuration, masking: masking,
          epoch: WordMasking.evaluationEpoch))
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
