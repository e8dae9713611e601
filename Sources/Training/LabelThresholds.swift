import Manifests

/// For each label the probability from which it counts as predicted: `thresholds.json` of a model folder.
package struct LabelThresholds: Sendable, Equatable {
  package static let fileName = "thresholds.json"

  /// [labels]
  package let values: [Double]

  /// The same threshold for every label.
  package init(_ value: Double, labelCount: Int) {
    values = [Double](repeating: value, count: labelCount)
  }

  /// - Parameter values: [labels], from 0 to 1.
  package init(_ values: [Double]) { self.values = values }

  /// Those of a model folder.
  ///
  /// - Returns: nil where the folder has no such file.
  /// - Throws: `TrainingError` naming the file and the label; `ManifestError` for a link out of the folder.
  package init?(modelFolder folder: String, labelNames: [String]) throws {
    let path = try containedFile(Self.fileName, in: folder)
    guard exists(path) else { return nil }
    values = try Self.file(path).read(labelNames: labelNames)
  }

  /// - Parameter path: The file's name in errors.
  package init(json bytes: [UInt8], path: String, labelNames: [String]) throws {
    values = try Self.file(path).parse(bytes, labelNames: labelNames)
  }

  /// What `thresholds.json` holds.
  package func json(labelNames: [String]) throws -> [UInt8] {
    try LabelNumbers.json(values, labelNames: labelNames)
  }

  private static func file(_ path: String) -> LabelNumbers {
    LabelNumbers(path: path, kind: "thresholds", range: 0...1)
  }
}

/// Whether an evaluation has scores at a threshold for each label beside those at one for all.
package enum TunedThresholds: Sendable {
  case none
  /// At these, of the rows of another evaluation.
  case known(LabelThresholds)
  /// At those that are best for the evaluation's own rows: what validation is for.
  case onTheseRows
}

// Tuning.
extension LabelThresholds {
  /// Those that give each label its largest F1.
  ///
  /// Every way to cut the distinct probabilities of a label in two is tried. A cut has the threshold 0.5 if
  /// that makes it, and else the middle between the probabilities beside it. Of cuts that are equally good
  /// the one nearest 0.5 is taken, the lower of two as near. A label that no row has keeps 0.5.
  ///
  /// - Parameters:
  ///   - logits: [rows, labels], row-major.
  ///   - labels: [rows, labels] of 0 and 1.
  package init(tunedOn logits: [Float], labels: [Float], labelCount: Int) {
    precondition(logits.count == labels.count, "one label a logit")
    values = (0..<labelCount).map { label in
      let cells = stride(from: label, to: logits.count, by: labelCount)
      return Self.best(cells.map { (probability(ofLogit: Double(logits[$0])), labels[$0] != 0) })
    }
  }

  private static func best(_ rows: [(probability: Double, isTrue: Bool)]) -> Double {
    let order = rows.sorted { $0.probability > $1.probability }
    let positives = rows.count { $0.isTrue }
    var best = (f1: 0.0, threshold: 0.5)
    var (predicted, right) = (0, 0)
    while predicted < order.count {
      // A threshold takes all rows of a probability or none.
      let last = order[predicted].probability
      while predicted < order.count, order[predicted].probability == last {
        right += order[predicted].isTrue ? 1 : 0
        predicted += 1
      }
      let next = predicted < order.count ? order[predicted].probability : 0
      let threshold = cut(above: next, upTo: last, takesAll: predicted == order.count)
      let f1 = positives == 0 ? 0 : Double(2 * right) / Double(predicted + positives)
      let (distance, bestDistance) = (abs(threshold - 0.5), abs(best.threshold - 0.5))
      // Thresholds fall from cut to cut: of two as near to 0.5 the later one is the lower.
      if f1 > best.f1 || (f1 == best.f1 && f1 > 0 && distance <= bestDistance) {
        best = (f1, threshold)
      }
    }
    return best.threshold
  }

  /// A threshold t with below < t <= value, or 0 <= t <= value if it takes all.
  private static func cut(above below: Double, upTo value: Double, takesAll: Bool) -> Double {
    if 0.5 <= value, 0.5 > below || takesAll { return 0.5 }
    let middle = below + (value - below) / 2
    return middle > below || takesAll ? middle : value
  }
}
