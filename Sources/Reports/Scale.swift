import Foundation

/// A linear axis: which values it spans, and where its ticks are.
struct Scale: Equatable {
  let range: ClosedRange<Double>
  let ticks: [Double]

  /// - Parameters:
  ///   - values: that it should span; a little more is spanned where `padding` says so.
  ///   - padding: at both ends, as a share of the span.
  ///   - tickCount: about how many ticks to have.
  ///   - isWhole: whether ticks are integers, as steps are.
  init(_ values: [Double], padding: Double = 0, tickCount: Int, isWhole: Bool = false) {
    var (low, high) = (values.min() ?? 0, values.max() ?? 1)
    if low == high {
      let reach = low == 0 ? 1 : abs(low) * 0.05
      (low, high) = (low - reach, high + reach)
    }
    let margin = (high - low) * padding
    range = low - margin...high + margin
    ticks = Self.ticks(in: range, count: tickCount, isWhole: isWhole)
  }

  /// Multiples of 1, 2 or 5 times a power of ten: about `count`, at most one more.
  private static func ticks(in range: ClosedRange<Double>, count: Int, isWhole: Bool) -> [Double] {
    let span = range.upperBound - range.lowerBound
    guard span > 0, span.isFinite else { return [] }
    // The smallest step that gives no more than one tick too many.
    let power = pow(10, floor(log10(span / Double(count + 1))))
    let steps = [1, 2, 5, 10].map { isWhole ? max(1, ($0 * power).rounded()) : $0 * power }
    // An end that is a tick but for rounding has it.
    func multiples(_ step: Double) -> (first: Double, last: Double) {
      (
        (range.lowerBound / step - 1e-9).rounded(.up),
        (range.upperBound / step + 1e-9).rounded(.down)
      )
    }
    let fitting = steps.first { multiples($0).last - multiples($0).first <= Double(count) }
    guard let step = fitting, multiples(step).first <= multiples(step).last else { return [] }
    let (first, last) = (Int(multiples(step).first), Int(multiples(step).last))
    return (first...last).map { Double($0) * step }
  }

  /// 0 at the low end, 1 at the high one; values beyond them are drawn at the end.
  func place(_ value: Double) -> Double {
    min(1, max(0, (value - range.lowerBound) / (range.upperBound - range.lowerBound)))
  }

  /// A range for curves that a few far points do not flatten: all values, or where the outermost
  /// hundredth reaches further than the others span, those others.
  static func robust(_ values: [Double]) -> [Double] {
    let sorted = values.sorted()
    guard sorted.count >= 20, let low = sorted.first, let high = sorted.last else { return sorted }
    let cut = sorted.count / 100 + 1
    let (inner, outer) = (sorted[cut], sorted[sorted.count - 1 - cut])
    let span = outer - inner
    guard span > 0 else { return sorted }
    return [
      low < inner - span ? inner - span / 4 : low, high > outer + span ? outer + span / 4 : high,
    ]
  }
}
