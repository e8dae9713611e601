import Kernels

/// The metrics of a classification with one label a row, as scikit-learn defines them.
package struct MultiClassMetrics: TaskMetrics {
  /// Mean cross-entropy.
  package let loss: Double
  /// Share of rows whose likeliest label is the right one; micro-averaged F1 is the same number.
  package let accuracy: Double
  /// Unweighted mean of the F1 of the labels that occur, as truth or as prediction.
  package let f1Macro: Double
  /// Mean of the labels' F1, weighted by how often they are true.
  package let f1Weighted: Double
  /// Matthews' correlation of truth and prediction; 0 where either is constant, as scikit-learn has it.
  package let matthews: Double
  package let perLabel: LabelScores
  package var labelScores: LabelScores? { perLabel }

  package var scores: [(name: String, value: Double?)] {
    [
      ("accuracy", accuracy), ("f1", accuracy), ("f1_macro", f1Macro), ("f1_weighted", f1Weighted),
      ("matthews", matthews), ("loss", loss),
    ]
  }

  /// - Parameters:
  ///   - logits: [rows, labels], row-major.
  ///   - labels: [rows]
  /// - Precondition: At least one row.
  package init(logits: [Float], labels: [Int32], labelCount: Int) {
    precondition(!labels.isEmpty && logits.count == labels.count * labelCount, "a label a row")
    loss =
      CrossEntropy.forwardBackward(
        nil, logits, labels, rows: labels.count, classes: labelCount, scale: 0)
      / Double(labels.count)
    let predicted = labels.indices.map { likeliest(logits, row: $0, columns: labelCount) }
    let right = zip(predicted, labels).count { $0 == Int($1) }
    accuracy = Double(right) / Double(labels.count)
    let perLabel = LabelScores(
      (0..<labelCount).map { label in
        Confusion(zip(predicted, labels).map { ($0 == label, Int($1) == label) })
      })
    let present = (0..<labelCount).filter { label in
      predicted.contains(label) || labels.contains(Int32(label))
    }
    self.perLabel = perLabel
    f1Macro = present.reduce(0) { $0 + perLabel.f1[$1] } / Double(present.count)
    f1Weighted =
      zip(perLabel.f1, perLabel.support).reduce(0) { $0 + $1.0 * Double($1.1) }
      / Double(labels.count)
    matthews = matthewsCorrelation(predicted, labels.map(Int.init), labelCount: labelCount)
  }

  private enum CodingKeys: String, CodingKey {
    case perLabel = "per_label"
  }

  package func encode(to encoder: any Encoder) throws {
    try encodeScores(to: encoder)
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(perLabel, forKey: .perLabel)
  }
}

/// The column of a row's largest logit, the first of several.
///
/// - Parameter logits: [rows, columns], row-major.
package func likeliest(_ logits: [Float], row: Int, columns: Int) -> Int {
  let z = logits[row * columns..<(row + 1) * columns]
  return (z.max().flatMap(z.firstIndex) ?? z.startIndex) - z.startIndex
}

/// The correlation of two classifications (Gorodkin 2004), from counts alone.
private func matthewsCorrelation(_ a: [Int], _ b: [Int], labelCount: Int) -> Double {
  func counts(_ labels: [Int]) -> [Double] {
    var counts = [Double](repeating: 0, count: labelCount)
    for label in labels { counts[label] += 1 }
    return counts
  }
  func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
  let (countsA, countsB) = (counts(a), counts(b))
  let rows = Double(a.count)
  let same = Double(zip(a, b).count { $0 == $1 })
  let (spreadA, spreadB) = (
    rows * rows - dot(countsA, countsA), rows * rows - dot(countsB, countsB)
  )
  guard spreadA > 0, spreadB > 0 else { return 0 }
  return (same * rows - dot(countsA, countsB)) / (spreadA * spreadB).squareRoot()
}

/// Precision, recall and F1 of each label; 0 where a denominator is.
package struct LabelScores: Codable, Sendable, Equatable {
  /// [labels] each
  package var precision: [Double] = []
  package var recall: [Double] = []
  package var f1: [Double] = []
  /// Rows that truly have the label.
  package var support: [Int] = []

  init(_ columns: [Confusion]) {
    precision = columns.map(\.precision)
    recall = columns.map(\.recall)
    f1 = columns.map(\.f1)
    support = columns.map { $0.truePositives + $0.falseNegatives }
  }
}

/// Counts of predictions against truth.
struct Confusion {
  var truePositives = 0
  var falsePositives = 0
  var falseNegatives = 0

  init() {}

  init(_ pairs: some Sequence<(Bool, Bool)>) {
    for (predicted, truth) in pairs {
      truePositives += predicted && truth ? 1 : 0
      falsePositives += predicted && !truth ? 1 : 0
      falseNegatives += !predicted && truth ? 1 : 0
    }
  }

  mutating func add(_ other: Confusion) {
    truePositives += other.truePositives
    falsePositives += other.falsePositives
    falseNegatives += other.falseNegatives
  }

  private func ratio(_ part: Int, _ whole: Int) -> Double {
    whole == 0 ? 0 : Double(part) / Double(whole)
  }
  var precision: Double { ratio(truePositives, truePositives + falsePositives) }
  var recall: Double { ratio(truePositives, truePositives + falseNegatives) }
  var f1: Double { ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives) }
}
