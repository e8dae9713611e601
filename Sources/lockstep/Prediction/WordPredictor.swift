import Foundation
import Manifests
import Tokenizers
import Training

/// Predicts what stands at the mask tokens of texts, and of pairs whether the second follows the first.
struct WordPredictor: Predictor {
  let model: TextModel
  let maskID: Int32

  /// Words that are given for a mask.
  static let candidateCount = 5
  /// Of several rows in a forward pass.
  private static let mostMasks = 512

  func predictions(for rows: [PredictionRow]) throws -> [any Prediction] {
    let encodings = try rows.map(model.encode)
    var masked: [Int32] = []
    var counts: [Int] = []
    var start: Int32 = 0
    for encoding in encodings {
      let masks = encoding.ids.indices.filter { encoding.ids[$0] == maskID }
      masked += masks.map { start + Int32($0) }
      counts.append(masks.count)
      start += Int32(encoding.ids.count)
    }
    // A mask has a logit for every word: rows of many masks go alone.
    guard masked.count <= Self.mostMasks || rows.count == 1 else {
      let middle = rows.count / 2
      return try predictions(for: Array(rows[..<middle]))
        + predictions(for: Array(rows[middle...]))
    }
    let found = try model.model.evaluator.hiddenWords(
      of: model.batch(encodings, masked: masked), best: Self.candidateCount)
    var first = 0
    return zip(rows, counts).enumerated().map { index, part in
      let (row, count) = part
      defer { first += count }
      return WordPrediction(
        row: row,
        masks: found.words[first..<first + count].map { words in
          WordPrediction.Mask(
            words: words.map { model.tokenizer.token(of: $0.id) ?? "" },
            scores: words.map(\.probability))
        }, follows: row.pair == nil ? nil : found.followProbabilities[index])
    }
  }
}

private struct WordPrediction: Prediction {
  struct Mask: Encodable {
    /// Likeliest first.
    let words: [String]
    let scores: [Double]
  }

  let row: PredictionRow
  let masks: [Mask]
  /// The probability that the second text follows the first.
  let follows: Double?

  private enum CodingKeys: String, CodingKey { case masks, follows }

  func encode(to encoder: any Encoder) throws {
    try row.encodeInput(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(masks, forKey: .masks)
    try values.encodeIfPresent(follows, forKey: .follows)
  }

  var lines: String {
    var parts = masks.map { mask in
      zip(mask.words, mask.scores).map { printable($0) + String(format: " %.2f", $1) }
        .joined(separator: ", ")
    }
    if let follows { parts.append(String(format: "follows %.2f", follows)) }
    return row.line(parts.isEmpty ? "no mask" : parts.joined(separator: " | "))
  }
}
