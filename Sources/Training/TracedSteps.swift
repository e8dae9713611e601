/// The steps that `--trace` records, each range to a file of its own.
package struct TracedSteps: Sendable, Equatable, CustomStringConvertible {
  /// In rising order, apart from each other.
  let ranges: [ClosedRange<Int>]

  /// A step, a range or several of them: `20`, `20:25`, `20:25,400`; both ends are in it.
  package init?(_ text: String) {
    var ranges: [ClosedRange<Int>] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
      guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1],
        first > ranges.last?.upperBound ?? 0, last >= first
      else { return nil }
      ranges.append(first...last)
    }
    self.ranges = ranges
  }

  package var description: String {
    ranges.map(Self.text(of:)).joined(separator: ",")
  }

  /// As it is given.
  static func text(of range: ClosedRange<Int>) -> String {
    range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound):\(range.upperBound)"
  }

  /// The range that a step is in.
  func range(of step: Int) -> ClosedRange<Int>? { ranges.first { $0.contains(step) } }
}
