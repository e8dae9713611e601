import Encoders
import Manifests
import Tokenizers
import Training

/// Predicts the tag of every word: that of its first token, as in training.
struct TagPredictor: Predictor {
  let model: TextModel

  /// Words of a row, from the first one on that no row before has.
  private struct Stretch {
    let row: Int
    let firstWord: Int
    let encoding: AlignedEncoding
  }

  func predictions(for rows: [PredictionRow]) throws -> [any Prediction] {
    let words = rows.map {
      $0.words ?? $0.text.split(whereSeparator: \.isWhitespace).map(String.init)
    }
    let stretches = try words.enumerated().flatMap { try self.stretches(of: $1, row: $0) }
    let names = model.labelNames
    let logits = try model.logits(
      of: stretches.map { Encoding($0.encoding) }, columns: names.count)
    var tags = words.map { [(tag: String, score: Double)?](repeating: nil, count: $0.count) }
    for (stretch, logits) in zip(stretches, logits) {
      for (token, word) in stretch.encoding.words.enumerated() {
        guard let word, tags[stretch.row][stretch.firstWord + word] == nil else { continue }
        let z = logits[token * names.count..<(token + 1) * names.count].map(Double.init)
        let best = likeliest(logits, row: token, columns: names.count)
        tags[stretch.row][stretch.firstWord + word] = (names[best], softmax(z)[best])
      }
    }
    return rows.indices.map { row in
      TagPrediction(
        id: rows[row].id, words: words[row],
        // A word that the tokenizer leaves nothing of has no token to be tagged by.
        tags: tags[row].map { $0?.tag ?? "O" }, scores: tags[row].map { $0?.score ?? 1 })
    }
  }

  /// The words in as many rows as they take.
  private func stretches(of words: [String], row: Int) throws -> [Stretch] {
    var stretches: [Stretch] = []
    var first = 0
    while first < words.count {
      let encoding = try model.tokenizer.encode(
        words: words[first...], maxLength: model.maxLength)
      stretches.append(Stretch(row: row, firstWord: first, encoding: encoding))
      guard encoding.ids.count >= model.maxLength,
        let last = encoding.words.lazy.compactMap(\.self).last
      else { break }
      // A word at the end may be cut, but has its first token.
      first += last + 1
    }
    return stretches
  }
}

private struct TagPrediction: Prediction {
  let id: JSONValue?
  let words: [String]
  let tags: [String]
  let scores: [Double]

  private struct Found: Encodable {
    let type: String
    let text: String
    /// The first word, and the one after the last.
    let start, end: Int
  }

  private enum CodingKeys: String, CodingKey { case id, words, tags, scores, entities }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(id, forKey: .id)
    try values.encode(words, forKey: .words)
    try values.encode(tags, forKey: .tags)
    try values.encode(scores, forKey: .scores)
    try values.encode(
      entities(tags).map {
        Found(
          type: $0.type, text: words[$0.range].joined(separator: " "), start: $0.range.lowerBound,
          end: $0.range.upperBound)
      }, forKey: .entities)
  }

  /// As CoNLL has it: a word and its tag a line, an empty line after the last.
  var lines: String {
    zip(words, tags).map { "\(printable($0))\t\(printable($1))\n" }.joined()
  }
}
