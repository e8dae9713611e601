import Foundation
import Shards

/// The metrics of extractive question answering over rows, by tokens.
package struct SpanMetrics: TaskMetrics {
  /// Mean cross-entropy of both ends.
  package let loss: Double
  /// Share of rows whose answer has the right first and last token.
  package let exactMatch: Double
  /// Mean over rows of the F1 between the tokens of the answer and those found.
  package let f1: Double

  package var scores: [(name: String, value: Double?)] {
    [("f1", f1), ("exact_match", exactMatch), ("loss", loss)]
  }

  /// Tokens of an answer at most, as in Hugging Face's run_qa.
  private static let longestAnswer = 30

  /// - Parameter logits: [T, 2] of the rows' tokens.
  init(logits: [Float], rows: RowBatch) {
    var (sum, exact, overlap) = (0.0, 0, 0.0)
    for s in rows.rows.indices {
      let first = Int(rows.cumulativeLengths[s])
      let length = Int(rows.cumulativeLengths[s + 1]) - first
      let ends = (0..<2).map { side in
        (0..<length).map { Double(logits[2 * (first + $0) + side]) }
      }
      let truth = (Int(rows.labels.integers[2 * s]), Int(rows.labels.integers[2 * s + 1]))
      sum += crossEntropy(ends[0], truth.0) + crossEntropy(ends[1], truth.1)
      let found = Self.best(ends[0], ends[1])
      exact += found == truth ? 1 : 0
      let common = max(0, min(found.1, truth.1) - max(found.0, truth.0) + 1)
      overlap += Double(2 * common) / Double(found.1 - found.0 + truth.1 - truth.0 + 2)
    }
    let count = Double(max(1, rows.rows.count))
    loss = sum / (2 * count)
    exactMatch = Double(exact) / count
    f1 = overlap / count
  }

  /// The stretch whose ends have the largest sum of logits.
  private static func best(_ starts: [Double], _ ends: [Double]) -> (Int, Int) {
    var best = (0, 0)
    var score = -Double.infinity
    for start in starts.indices {
      for end in start..<min(starts.count, start + longestAnswer)
      where starts[start] + ends[end] > score {
        (best, score) = ((start, end), starts[start] + ends[end])
      }
    }
    return best
  }
}

private func crossEntropy(_ z: [Double], _ target: Int) -> Double {
  let largest = z.max() ?? 0
  return log(z.reduce(0) { $0 + exp($1 - largest) }) + largest - z[target]
}
