import Foundation

/// How far computed numbers lie from reference ones, as fractions of what is allowed.
package struct GoldenComparison {
  package private(set) var worst = (share: 0.0, error: 0.0, tensor: "none")
  package private(set) var failures: [String] = []

  package init() {}

  /// The error of the tensor that comes closest to its tolerance, and which that is.
  package var worstLine: String { String(format: "%.2e ", worst.error) + worst.tensor }

  /// - Parameters:
  ///   - error: Relative, as it is reported.
  ///   - tolerance: Of that error.
  package mutating func note(_ tensor: String, error: Double, tolerance: Double) {
    let share = error.isFinite ? error / tolerance : .infinity
    if share > worst.share { worst = (share, error, tensor) }
    if !(share <= 1) { failures.append("\(tensor): error \(error), allowed \(tolerance)") }
  }

  /// Compares a tensor by the norm of the difference over the norm of the reference.
  ///
  /// - Parameter floor: Added to the reference's norm: gradients of key biases are 0 but for rounding.
  package mutating func compare(
    _ tensor: String, _ actual: [Float], _ expected: [Float], tolerance: Double, floor: Double = 0
  ) {
    guard actual.count == expected.count else {
      failures.append("\(tensor): \(actual.count) values, expected \(expected.count)")
      return
    }
    let difference = norm(zip(actual, expected).map { Double($0) - Double($1) })
    let scale = norm(expected.map(Double.init)) + floor
    note(tensor, error: difference == 0 ? 0 : difference / scale, tolerance: tolerance)
  }

  package mutating func compare(
    _ name: String, _ actual: Double, _ expected: Double, tolerance: Double
  ) {
    note(name, error: abs(actual - expected) / abs(expected), tolerance: tolerance)
  }
}

package func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
