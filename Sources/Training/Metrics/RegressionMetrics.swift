import Foundation

/// The metrics of regression.
package struct RegressionMetrics: TaskMetrics {
  /// Mean squared error: the loss.
  package let loss: Double
  /// Mean absolute error.
  package let meanAbsoluteError: Double
  /// Correlation of values, and of ranks with ties at their mean; nil where either side is constant.
  package let pearson: Double?
  package let spearman: Double?
  /// Share of the values' variance that the predictions explain; nil where the values are constant.
  package let r2: Double?

  package var scores: [(name: String, value: Double?)] {
    [
      ("mse", loss), ("rmse", loss.squareRoot()), ("mae", meanAbsoluteError),
      ("pearson", pearson), ("spearman", spearman), ("r2", r2), ("loss", loss),
    ]
  }

  /// - Parameters:
  ///   - predictions, values: [rows]
  /// - Precondition: At least one row.
  package init(predictions: [Float], values: [Float]) {
    precondition(!values.isEmpty && predictions.count == values.count, "a prediction a row")
    let (a, b) = (predictions.map(Double.init), values.map(Double.init))
    let errors = zip(a, b).map { $0 - $1 }
    loss = errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
    meanAbsoluteError = errors.reduce(0) { $0 + abs($1) } / Double(errors.count)
    pearson = correlation(a, b)
    spearman = correlation(ranks(a), ranks(b))
    let mean = b.reduce(0, +) / Double(b.count)
    let variance = b.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(b.count)
    r2 = b.contains { $0 != b[0] } ? 1 - loss / variance : nil
  }
}

private func correlation(_ a: [Double], _ b: [Double]) -> Double? {
  let count = Double(a.count)
  let (meanA, meanB) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
  var (products, squaresA, squaresB) = (0.0, 0.0, 0.0)
  for (x, y) in zip(a, b) {
    products += (x - meanA) * (y - meanB)
    squaresA += (x - meanA) * (x - meanA)
    squaresB += (y - meanB) * (y - meanB)
  }
  guard a.contains(where: { $0 != a[0] }), b.contains(where: { $0 != b[0] }) else { return nil }
  return products / (squaresA * squaresB).squareRoot()
}

/// Ranks from 1; equal values share the mean of theirs.
private func ranks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start
    while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
    for place in start..<end { ranks[order[place]] = Double(start + end + 1) / 2 }
    start = end
  }
  return ranks
}
