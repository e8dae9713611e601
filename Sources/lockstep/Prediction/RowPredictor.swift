import Encoders
import Foundation
import Manifests
import Training

/// Predicts labels, classes or numbers of whole rows.
struct RowPredictor: Predictor {
  let model: TextModel
  /// [labels] In multi-label, the probability from which each is given.
  let thresholds: [Double]

  func predictions(for rows: [PredictionRow]) throws -> [any Prediction] {
    let names = model.labelNames
    let logits = try model.logits(of: rows.map(model.encode), columns: names.count)
    return zip(rows, logits).map { row, logits in
      let (scores, chosen) = answer(logits)
      return RowPrediction(row: row, names: names, scores: scores, chosen: chosen)
    }
  }

  /// The score of each label, and the labels that are given: in multi-label those whose probability
  /// reaches the threshold, in multi-class the likeliest; in regression the number itself.
  private func answer(_ logits: [Float]) -> (scores: [Double], chosen: [Int]) {
    let z = logits.map(Double.init)
    switch model.model.task {
    case .multiClass: return (softmax(z), [likeliest(logits, row: 0, columns: z.count)])
    case .regression: return (z, Array(z.indices))
    case .multiLabel, .tokenClassification, .questionAnswering, .pretraining:
      let scores = z.map(probability(ofLogit:))
      return (scores, scores.indices.filter { scores[$0] >= thresholds[$0] })
    }
  }
}

private struct RowPrediction: Prediction {
  let row: PredictionRow
  let names: [String]
  let scores: [Double]
  let chosen: [Int]

  private enum CodingKeys: String, CodingKey { case labels, scores }

  func encode(to encoder: any Encoder) throws {
    try row.encodeInput(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(chosen.map { names[$0] }, forKey: .labels)
    try values.encode(
      Dictionary(zip(names, scores), uniquingKeysWith: { first, _ in first }), forKey: .scores)
  }

  var lines: String {
    let labels = chosen.map { printable(names[$0]) + String(format: " %.2f", scores[$0]) }
    return row.line(labels.isEmpty ? "none" : labels.joined(separator: ", "))
  }
}
