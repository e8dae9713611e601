/// How the rows of a batch (tokens, or sequences) are cut into micro-batches, whose gradients are
/// summed in one binary tree over the parts: ((p0 + p1) + (p2 + p3)) + ..
///
/// A kernel that sums over rows sums each part by itself and then the parts in the tree, so a rank
/// that has several parts goes through them at once, and gets the bits that several ranks with one
/// part each get.
///
/// A collection of its V parts, each a range of rows.
package struct Parts: Sendable, Equatable, RandomAccessCollection {
  /// [V+1] Part p is rows `bounds[p]..<bounds[p + 1]`, which may be none.
  private let bounds: [Int]

  /// - Parameter bounds: V+1 numbers that rise from 0, V a power of two.
  package init(bounds: [Int]) {
    precondition((bounds.count - 1).nonzeroBitCount == 1, "the parts are a power of two")
    precondition(bounds[0] == 0 && zip(bounds, bounds.dropFirst()).allSatisfy(<=), "bounds rise")
    self.bounds = bounds
  }

  /// All rows in one part.
  package static func one(_ rows: Int) -> Parts { Parts(bounds: [0, rows]) }

  /// The same parts by other rows: tokens instead of sequences.
  ///
  /// - Parameter bound: Gives the new bound for an old one; rises.
  package func scaled(_ bound: (Int) -> Int) -> Parts { Parts(bounds: bounds.map(bound)) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { bounds.count - 1 }
  /// All rows of all parts.
  package var rows: Int { bounds[bounds.count - 1] }
  package subscript(part: Int) -> Range<Int> { bounds[part]..<bounds[part + 1] }

  /// Partial sums that are pending at a time: log2 V + 1.
  package var levels: Int { count.trailingZeroBitCount + 1 }

  /// Goes through the tree, from the first part to the last.
  ///
  /// - Parameters:
  ///   - leaf: Overwrites the partial sum of `level` with a part's; zeros for no rows.
  ///   - combine: Adds the partial sum of `level + 1` to that of `level`. The result is at level 0.
  @inline(__always)
  package func sum(
    leaf: (_ rows: Range<Int>, _ level: Int) -> Void, combine: (_ level: Int) -> Void
  ) {
    var level = 0
    for part in 0..<count {
      leaf(self[part], level)
      // After part p, as many pairs are complete as p + 1 has trailing zeros.
      for _ in 0..<(part + 1).trailingZeroBitCount {
        level -= 1
        combine(level)
      }
      level += 1
    }
  }
}
