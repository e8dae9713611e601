// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

extension Embedding {
  /// values [U,H] = the gradients of a table's touched rows, overwritten: each part of the batch by
  /// itself, the parts then added in their tree.
  ///
  /// A part's tokens are added in their order, from +0; a part without tokens of a row counts as +0
  /// for it, and so does a row that no token names. Threads share rows and columns, never a sum.
  ///
  /// U rows, T tokens.
  ///
  /// - Parameters:
  ///   - dy: [T,H]
  ///   - tokens: Which of the T tokens touch which of the U rows.
  ///   - stride: From a row of dy to the next, in floats; nil: H.
  package static func sumRows(
    _ values: MutableFloats, _ dy: Floats, _ tokens: RowTokens, parts: Parts, width H: Int,
    stride: Int? = nil, _ pool: ThreadPool
  ) {
    let columnBlocks = (H + columnsInBlock - 1) / columnsInBlock
    let rowBlocks = (tokens.count + rowsInBlock - 1) / rowsInBlock
    tokens.withUnsafePointers { starts, order in
      pool.run(rowBlocks * columnBlocks) { block, _ in
        let column = block % columnBlocks * columnsInBlock
        let columns = column..<min(H, column + columnsInBlock)
        let first = block / columnBlocks * rowsInBlock
        let tree = PartTree(
          dy: dy + columns.lowerBound, width: stride ?? H, columns: columns.count, parts: parts)
        let levels = parts.levels - 1
        withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, levels * columns.count)) {
          guard let scratch = $0.baseAddress else { return }
          for row in first..<min(first + rowsInBlock, tokens.count) {
            let own = Int(starts[row])..<Int(starts[row + 1])
            tree.sum(
              values + row * H + columns.lowerBound, UnsafeBufferPointer(rebasing: order[own]),
              parts: 0..<parts.count, scratch)
          }
        }
      }
    }
  }

  private static let rowsInBlock = 16
  private static let columnsInBlock = 64
}

/// The sum of a row's token gradients over some columns.
private struct PartTree {
  /// The first of the columns [T, columns], `width` floats from a token to the next.
  let dy: Floats
  let width: Int
  let columns: Int
  let parts: Parts

  /// out [columns] = the sum over `tokens`, which are all of the row's in a complete subtree of parts.
  ///
  /// - Parameter scratch: [levels of the subtree, columns]
  func sum(
    _ out: MutableFloats, _ tokens: UnsafeBufferPointer<Int32>, parts range: Range<Int>,
    _ scratch: MutableFloats
  ) {
    guard range.count > 1 else { return sum(out, tokens) }
    let middle = range.lowerBound + range.count / 2
    let split = firstToken(atOrAfter: Int32(parts[middle].lowerBound), tokens)
    let lower = UnsafeBufferPointer(rebasing: tokens[..<split])
    let upper = UnsafeBufferPointer(rebasing: tokens[split...])
    if lower.isEmpty || upper.isEmpty {
      let half = upper.isEmpty ? range.lowerBound..<middle : middle..<range.upperBound
      sum(out, upper.isEmpty ? lower : upper, parts: half, scratch)
      // The other half's sum, which makes +0 of the -0 that flushing may have left.
      eachVector(columns) { c, lanes in store(load(out, c, lanes) + Vector(), out, c, lanes) }
    } else {
      sum(out, lower, parts: range.lowerBound..<middle, scratch)
      sum(scratch, upper, parts: middle..<range.upperBound, scratch + columns)
      eachVector(columns) { c, lanes in
        store(load(out, c, lanes) + load(scratch, c, lanes), out, c, lanes)
      }
    }
  }

  /// out [columns] = the tokens' gradients in order.
  private func sum(_ out: MutableFloats, _ tokens: UnsafeBufferPointer<Int32>) {
    eachVector(columns) { c, lanes in
      var sum = Vector()
      for token in tokens { sum += load(dy, Int(token) &* width &+ c, lanes) }
      store(sum, out, c, lanes)
    }
  }

  private func firstToken(atOrAfter bound: Int32, _ tokens: UnsafeBufferPointer<Int32>) -> Int {
    var range = tokens.indices
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range =
        tokens[middle] < bound ? middle + 1..<range.upperBound : range.lowerBound..<middle
    }
    return range.lowerBound
  }
}
