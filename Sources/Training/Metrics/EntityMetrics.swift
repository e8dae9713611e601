import Kernels

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
  /// Types of entities that are there, as truth or as prediction, in alphabetical order.
  package let types: [String]
  /// [types]
  package let perType: LabelScores

  package var labelScores: LabelScores? { perType }
  package var labelScoreNames: [String]? { types }

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
    var counts: [String: Confusion] = [:]
    for (truth, predictions) in zip(truth, predictions) {
      let expected = entities(truth)
      let actual = Set(entities(predictions))
      for entity in expected where !actual.contains(entity) {
        counts[entity.type, default: Confusion()].falseNegatives += 1
      }
      let real = Set(expected)
      for entity in actual {
        if real.contains(entity) {
          counts[entity.type, default: Confusion()].truePositives += 1
        } else {
          counts[entity.type, default: Confusion()].falsePositives += 1
        }
      }
    }
    let types = counts.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let columns = types.map { counts[$0] ?? Confusion() }
    self.types = types
    perType = LabelScores(columns)
    let all = columns.reduce(into: Confusion()) { $0.add($1) }
    (precision, recall, f1) = (all.precision, all.recall, all.f1)
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
    for (start, end) in zip(cumulativeLengths, cumulativeLengths.dropFirst()) {
      var row: (truth: [String], predictions: [String]) = ([], [])
      for token in Int(start)..<Int(end) where tags[token] >= 0 {
        row.truth.append(labelNames[Int(tags[token])])
        row.predictions.append(labelNames[likeliest(logits, row: token, columns: width)])
      }
      truth.append(row.truth)
      predictions.append(row.predictions)
    }
    let sum = CrossEntropy.forwardBackward(
      nil, logits, tags, rows: tags.count, classes: width, scale: 0)
    let count = CrossEntropy.labelledCount(tags, rows: tags.count)
    self.init(truth: truth, predictions: predictions, loss: sum / Double(max(1, count)))
  }
}

extension EntityMetrics {
  private enum CodingKeys: String, CodingKey {
    case perType = "per_type"
  }

  private enum TypeKeys: String, CodingKey {
    case precision, recall, f1, support
  }

  /// Beside the scores, `per_type` has an object of precision, recall, f1 and support for each type.
  package func encode(to encoder: any Encoder) throws {
    try encodeScores(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    var all = values.nestedContainer(keyedBy: ScoreKey.self, forKey: .perType)
    for (index, type) in types.enumerated() {
      var one = all.nestedContainer(keyedBy: TypeKeys.self, forKey: ScoreKey(stringValue: type))
      try one.encode(perType.precision[index], forKey: .precision)
      try one.encode(perType.recall[index], forKey: .recall)
      try one.encode(perType.f1[index], forKey: .f1)
      try one.encode(perType.support[index], forKey: .support)
    }
  }
}

/// A stretch of tags of one type.
package struct Entity: Hashable, Sendable {
  /// `_` for tags that have a prefix alone.
  package let type: String
  /// The tags that it takes.
  package let range: Range<Int>
}

/// The entities that tags say, as seqeval reads them in its default mode: conlleval's rules (Tjong Kim
/// Sang, Buchholz 2000), for the prefixes B, I, E and S.
///
/// They make something of malformed sequences too: an `I-` without a beginning begins an entity, and so
/// does a change of type. The prefix is a tag's first character; the type follows the first hyphen after
/// it.
package func entities(_ tags: [String]) -> [Entity] {
  var entities: [Entity] = []
  var start = 0
  var previous = Tag("O")
  for (index, text) in (tags + ["O"]).enumerated() {
    let tag = Tag(text)
    let isOtherType = tag.type != previous.type
    if previous.isInside, isOtherType || !tag.mayFollow(previous) {
      entities.append(Entity(type: previous.type, range: start..<index))
    }
    if tag.isInside, isOtherType || !tag.mayFollow(previous) { start = index }
    previous = tag
  }
  return entities
}

private struct Tag {
  let prefix: Character
  let type: String

  init(_ text: String) {
    prefix = text.first ?? "O"
    let rest = text.dropFirst()
    let type = rest.firstIndex(of: "-").map { rest[rest.index(after: $0)...] } ?? rest
    self.type = type.isEmpty ? "_" : String(type)
  }

  var isInside: Bool { prefix != "O" && prefix != "." }

  /// Whether the tag goes on with the entity of the one before, if it has its type.
  func mayFollow(_ previous: Tag) -> Bool {
    guard previous.isInside, previous.prefix != "E", previous.prefix != "S" else { return false }
    return isInside && prefix != "B" && prefix != "S"
  }
}
