import Foundation

/// The metrics of token classification: entities found, as seqeval's default mode counts them, and tags
/// right.
package struct EntityMetrics: TaskMetrics {
  /// Mean cross-entropy over tagged tokens.
  package let loss: Double
  /// Of entities that are right in type and both ends.
  package let precision: Double
  package let recall: Double
  package let f1: Double
  /// Share of tags that are right.
  package let accuracy: Double

  package var scores: [(name: String, value: Double?)] {
    [
      ("f1", f1), ("precision", precision), ("recall", recall), ("accuracy", accuracy),
      ("loss", loss),
    ]
  }

  /// - Parameters:
  ///   - truth, predictions: [rows] of tags, such as `B-PER`, `I-PER` and `O`.
  ///   - loss: Of the model that predicted.
  package init(truth: [[String]], predictions: [[String]], loss: Double) {
    precondition(truth.map(\.count) == predictions.map(\.count), "a prediction a tag")
    var (found, right, real) = (0, 0, 0)
    for (truth, predictions) in zip(truth, predictions) {
      let expected = Set(entities(truth))
      let actual = entities(predictions)
      real += expected.count
      found += actual.count
      right += actual.count { expected.contains($0) }
    }
    let counts = Confusion(
      truePositives: right, falsePositives: found - right, falseNegatives: real - right)
    (precision, recall, f1) = (counts.precision, counts.recall, counts.f1)
    let tags = zip(truth.joined(), predictions.joined())
    let count = truth.reduce(0) { $0 + $1.count }
    accuracy = Double(tags.count { $0 == $1 }) / Double(max(1, count))
    self.loss = loss
  }

  /// - Parameters:
  ///   - logits: [tokens, labels], row-major.
  ///   - tags: [tokens], -100 for a token without one.
  ///   - cumulativeLengths: [rows + 1] in tokens.
  package init(
    logits: [Float], tags: [Int32], cumulativeLengths: [Int32], labelNames: [String]
  ) {
    let width = labelNames.count
    var (truth, predictions): ([[String]], [[String]]) = ([], [])
    var sum = 0.0
    for (start, end) in zip(cumulativeLengths, cumulativeLengths.dropFirst()) {
      var row: (truth: [String], predictions: [String]) = ([], [])
      for token in Int(start)..<Int(end) where tags[token] >= 0 {
        let z = logits[token * width..<(token + 1) * width].map(Double.init)
        let largest = z.max() ?? 0
        sum += log(z.reduce(0) { $0 + exp($1 - largest) }) + largest - z[Int(tags[token])]
        row.truth.append(labelNames[Int(tags[token])])
        row.predictions.append(labelNames[z.firstIndex(of: largest) ?? 0])
      }
      truth.append(row.truth)
      predictions.append(row.predictions)
    }
    let count = truth.reduce(0) { $0 + $1.count }
    self.init(truth: truth, predictions: predictions, loss: sum / Double(max(1, count)))
  }
}

/// A stretch of tags of one type.
package struct Entity: Hashable, Sendable {
  package let type: String
  /// The tags that it takes.
  package let range: Range<Int>
}

/// The entities that tags say: conlleval's rules (Tjong Kim Sang, Buchholz 2000), which make something of
/// malformed sequences too: an `I-` without a beginning begins one, and so does a change of type.
package func entities(_ tags: [String]) -> [Entity] {
  var entities: [Entity] = []
  var start: (index: Int, type: String)?
  var previous = (prefix: "O", type: "")
  for (index, tag) in (tags + ["O"]).enumerated() {
    let parts = tag.split(separator: "-", maxSplits: 1).map(String.init)
    let current =
      tag == "O" ? (prefix: "O", type: "") : (prefix: parts[0], type: parts.last ?? "")
    let isOutside = current.prefix == "O"
    let isNew =
      current.prefix == "B" || current.type != previous.type || previous.prefix == "O"
    if let open = start, isOutside || isNew {
      entities.append(Entity(type: open.type, range: open.index..<index))
      start = nil
    }
    if !isOutside, isNew { start = (index, current.type) }
    previous = current
  }
  return entities
}
