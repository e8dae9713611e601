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
      let (scores, chosen) = answer(logits.map(Double.init))
      return RowPrediction(row: row, names: names, scores: scores, chosen: chosen)
    }
  }

  /// The score of each label, and the labels that are given: in multi-label those whose probability
  /// reaches the threshold, in multi-class the likeliest; in regression the number itself.
  private func answer(_ logits: [Double]) -> (scores: [Double], chosen: [Int]) {
    switch model.model.task {
    case .multiClass:
      let largest = logits.max() ?? 0
      return (softmax(logits), [logits.firstIndex(of: largest) ?? 0])
    case .regression: return (logits, Array(logits.indices))
    case .multiLabel, .tokenClassification, .questionAnswering, .pretraining:
      let scores = logits.map(probability(ofLogit:))
      return (scores, scores.indices.filter { scores[$0] >= thresholds[$0] })
    }
  }
}

/// e^z over the sum of them, stable at any size.
func softmax(_ logits: [Double]) -> [Double] {
  let largest = logits.max() ?? 0
  let powers = logits.map { exp($0 - largest) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}

private struct RowPrediction: Prediction {
  let row: PredictionRow
  let names: [String]
  let scores: [Double]
  let chosen: [Int]

  private enum CodingKeys: String, CodingKey { case id, text, pair, labels, scores }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(row.id, forKey: .id)
    try values.encode(row.text, forKey: .text)
    try values.encodeIfPresent(row.pair, forKey: .pair)
    try values.encode(chosen.map { names[$0] }, forKey: .labels)
    try values.encode(
      Dictionary(zip(names, scores), uniquingKeysWith: { first, _ in first }), forKey: .scores)
  }

  var lines: String {
    let labels = chosen.map { printable(names[$0]) + String(format: " %.2f", scores[$0]) }
    return ([labels.isEmpty ? "none" : labels.joined(separator: ", ")] + row.printableTexts)
      .joined(separator: "\t")
  }
}
