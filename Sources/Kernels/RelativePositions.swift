// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// How far apart tokens are, as attention knows it: a row of a table for every distance.
///
/// R the longest sequence.
package struct RelativePositions {
  /// [2R - 1] The row for query i and key j at i - j + R - 1; never falls.
  let rows: UnsafePointer<Int32>
  /// R
  let reach: Int

  package init(rows: UnsafePointer<Int32>, reach: Int) {
    self.rows = rows
    self.reach = reach
  }

  /// The row of the table for a key that is `distance` tokens before the query.
  @inline(__always)
  package func row(_ distance: Int) -> Int { Int(rows[distance + reach - 1]) }
}

/// A vector for every row of relative positions: what queries or keys are compared with.
///
/// H = N · D hidden, N heads, D head width.
package struct PositionVectors {
  /// Row `firstRow` on; head h has columns h · D on.
  let values: Floats
  let stride: Int
  let firstRow: Int

  package init(values: Floats, stride: Int, firstRow: Int) {
    self.values = values
    self.stride = stride
    self.firstRow = firstRow
  }

  /// Copies a head's vectors [2R - 1, D] in the order of distances, rising or falling.
  func spread(
    _ out: MutableFloats, head: Int, width D: Int, over positions: RelativePositions, falls: Bool
  ) {
    let count = max(2 * positions.reach - 1, 0)
    for index in 0..<count {
      let row = Int(positions.rows[falls ? count - 1 - index : index]) - firstRow
      (out + index * D).update(from: values + (row * stride + head * D), count: D)
    }
  }
}

/// Where the gradients at ``PositionVectors`` go, a row of them for each part of a batch.
package struct PositionGradients {
  package let values: MutableFloats
  let stride: Int

  package init(values: MutableFloats, stride: Int) {
    self.values = values
    self.stride = stride
  }
}

/// One micro-batch, as the gradients of relative positions are summed: each part by itself.
package struct PositionPart: Sendable {
  /// Its sequences in the batch.
  let sequences: Range<Int>
  /// By how many rows the gradient of its tokens lies further down.
  let tokenShift: Int
  /// The rows of relative positions that its sequences meet.
  let rows: Range<Int>
  /// Where the gradients of those begin.
  let gradientRow: Int

  package init(sequences: Range<Int>, tokenShift: Int, rows: Range<Int>, gradientRow: Int) {
    self.sequences = sequences
    self.tokenShift = tokenShift
    self.rows = rows
    self.gradientRow = gradientRow
  }
}
