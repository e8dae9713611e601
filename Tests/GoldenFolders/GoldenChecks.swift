// Allowed: logits and hidden states 5e-6 and losses 2e-6 relative; each gradient
// ‖a-b‖ <= 1e-5 ‖b‖ + 1e-7 max(1, global gradient norm), which is reported as
// ‖a-b‖ / (‖b‖ + 0.01 max(1, global norm)) against 1e-5.

import Encoders
import Kernels
import Training

extension GoldenFolder {
  /// Compares the mean loss of the whole batch.
  package func compareLoss(_ comparison: inout GoldenComparison, _ loss: Double) throws {
    comparison.compare("loss", loss, Double(try expected.floats("loss")[0]), tolerance: 2e-6)
  }

  /// Names of the model's logits.
  private var logitNames: [String] {
    [
      "logits", "prediction_logits", "seq_relationship_logits", "start_logits", "end_logits",
    ].filter(expected.has)
  }

  /// Runs the model on rows of the batch.
  ///
  /// - Parameter rows: nil for all.
  /// - Returns: For each kind of logits the sum of squared differences from the reference's.
  package func logitErrors(_ replica: Replica, rows: [Int]? = nil) throws -> [Double] {
    guard rows?.isEmpty != true else { return logitNames.map { _ in 0 } }
    let model = replica.model
    let labelled = try inputs.labelledBatch(configuration, rows: rows)
    let padded = try PaddedRows(inputs, rows: rows, keepsPadding: configuration.comparesPadding)
    let activations = Activations(model, isTraining: false, threads: replica.pool.threads)
    model.forward(
      labelled.batch, replica.parameters.base, activations, dropout: nil, replica.pool)
    var actual: [String: [Float]] = [:]
    for logits in model.logits(labelled.batch, activations, replica.pool) {
      let values = array(logits.values, logits.rows * logits.columns)
      guard configuration.task == .questionAnswering else {
        actual[logits.name] = values
        continue
      }
      for (side, name) in ["start_logits", "end_logits"].enumerated() {
        actual[name] = stride(from: side, to: values.count, by: 2).map { values[$0] }
      }
    }
    return try logitNames.map { name in
      let reference = try reference(name, labelled, padded)
      guard let values = actual[name], values.count == reference.count else {
        throw GoldenError(
          description: "\(path): expected \(reference.count) \(name), found "
            + "\(actual[name]?.count ?? 0)")
      }
      return zip(values, reference).reduce(0) { sum, pair in
        let difference = Double(pair.0) - Double(pair.1)
        return sum + difference * difference
      }
    }
  }

  /// Compares the logits of the whole batch.
  ///
  /// - Parameter errors: What `logitErrors` gave, summed over the rows of the batch.
  package func compareLogits(_ comparison: inout GoldenComparison, errors: [Double]) throws {
    let whole = try inputs.labelledBatch(configuration)
    let padded = try PaddedRows(inputs, keepsPadding: configuration.comparesPadding)
    for (name, squares) in zip(logitNames, errors) {
      let scale = norm(try reference(name, whole, padded).map(Double.init))
      comparison.note(name, error: squares.squareRoot() / scale, tolerance: 5e-6)
    }
  }

  private func reference(
    _ name: String, _ labelled: Replica.LabelledBatch, _ padded: PaddedRows
  ) throws -> [Float] {
    let all = try expected.floats(name)
    let rows = try rowCount
    let isOfTokens =
      [.tokenClassification, .questionAnswering].contains(configuration.task)
      || name == "prediction_logits"
    guard isOfTokens else { return padded.ofRows(all, count: rows) }
    let columns = all.count / (rows * padded.width)
    let packed = padded.packed(all, columns: columns)
    guard case .pretraining(let masked, _) = labelled.targets else { return packed }
    return masked.tokens.flatMap { packed[Int($0) * columns..<(Int($0) + 1) * columns] }
  }

  /// Compares every gradient of a replica that has the sum of all of them.
  package func compareGradients(
    _ comparison: inout GoldenComparison, _ replica: Replica
  ) throws {
    let reference = expected.names.filter { $0.hasPrefix("grad.") }
    let used = replica.model.layout.parameters.filter(\.isTrained)
    guard Set(reference) == Set(used.map { "grad." + $0.name }) else {
      let names = Set(reference).symmetricDifference(used.map { "grad." + $0.name }).sorted()
      throw GoldenError(
        description: "\(path): expected gradients of the trained parameters, found a difference "
          + "in \(names)")
    }
    let globalNorm = norm(try reference.flatMap { try expected.floats($0).map(Double.init) })
    for parameter in used {
      let name = "grad." + parameter.name
      comparison.compare(
        name, replica.gradient(of: parameter), try expected.floats(name), tolerance: 1e-5,
        floor: 0.01 * max(1, globalNorm))
    }
  }

  /// Takes the optimizer's steps and compares each one's loss and gradient norm.
  ///
  /// - Parameters:
  ///   - gradient: Computes the mean loss and the norm of its gradient.
  ///   - update: Updates the parameters from it.
  package func compareSteps(
    _ comparison: inout GoldenComparison, gradient: () throws -> (loss: Double, norm: Double),
    update: (UpdateStep) throws -> Void
  ) rethrows {
    for record in steps {
      let (loss, norm) = try gradient()
      // A squared error is as exact as the predictions, which say more of large ones: relative errors
      // grow as training brings it near 0, in PyTorch's float32 up to 7e-5.
      let nearness = configuration.task == .regression ? max(1, 2 / record.loss.squareRoot()) : 1
      comparison.compare(
        "loss of step \(record.step)", loss, record.loss, tolerance: 2e-6 * nearness)
      // CANINE's reference is in float32, which alone went 1.3e-5 from float64 in the norm after a first
      // step of AdamW, in one of sixty seeds: it scales gradients up that are nearly 0.
      let isCoarse = configuration.isOfCharacters && record.step > 1
      comparison.compare(
        "gradient norm of step \(record.step)", norm, record.gradNorm,
        tolerance: (isCoarse ? 3e-5 : 1e-5) * nearness)
      try update(
        UpdateStep(
          number: record.step, learningRate: schedule.rate(atStep: record.step),
          weightDecay: Self.weightDecay, gradientNorm: norm, maxNorm: Self.maxGradNorm))
    }
  }
}
