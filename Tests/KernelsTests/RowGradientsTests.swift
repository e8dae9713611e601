import Testing

@testable import Kernels

@Suite struct RowGradientsTests {
  /// The sums of some rows by additions of single floats, in part and tree order.
  private func oracle(
    _ dy: Arena, ids: [Int32], bounds: [Int32], rows: [Int32], width: Int
  ) -> [UInt32] {
    func sum(_ row: Int32, _ column: Int, parts: Range<Int>) -> Float {
      if parts.count > 1 {
        let middle = parts.lowerBound + parts.count / 2
        return sum(row, column, parts: parts.lowerBound..<middle)
          + sum(row, column, parts: middle..<parts.upperBound)
      }
      var sum: Float = 0
      for token in Int(bounds[parts.lowerBound])..<Int(bounds[parts.upperBound])
      where ids[token] == row {
        sum += dy.base[token * width + column]
      }
      return sum
    }
    return rows.flatMap { row in
      (0..<width).map { sum(row, $0, parts: 0..<bounds.count - 1).bitPattern }
    }
  }

  @Test(
    "a row's gradients are added in token order in a part, and parts in their tree",
    arguments: [1, 2, 4, 16], [1, 8, 70, 130])
  func matchesOracle(parts: Int, width: Int) {
    let tokens = 61
    let ids: [Int32] = (0..<tokens).map { Int32($0 * $0 % 23) * 3 }
    // Some parts are empty, the first and the last among them where there are enough.
    var bounds = (0...parts).map { Int32(tokens * $0 / parts) }
    if parts > 2 { (bounds[1], bounds[parts - 1]) = (0, Int32(tokens)) }
    // Of such different sizes that every order of addition has its own rounding.
    let dy = random(tokens * width, "dy")
    let scales: [Float] = [1, 1e-4, 1e4, -1e4]
    for i in 0..<dy.count { dy.base[i] *= scales[(i * 7 + i / width) % 4] }
    // The whole world's rows, of which this batch has some.
    let rows: [Int32] = (0..<70).filter { $0 % 3 == 0 || $0 % 5 == 0 }
    let expected = oracle(dy, ids: ids, bounds: bounds, rows: rows, width: width)
    let sorted = RowTokens(tableRows: 70)
    // A table that was used before says nothing of the batch before.
    [Int32(4), 4, 69].withUnsafeBufferPointer { ids in
      [Int32(4), 69].withUnsafeBufferPointer { sorted.sort(ids, into: $0) }
    }
    ids.withUnsafeBufferPointer { ids in
      rows.withUnsafeBufferPointer { sorted.sort(ids, into: $0) }
    }
    expectSameBitsOnAnyThreads { pool in
      let values = unwritten(rows.count * width)
      Embedding.sumRows(
        values.base, dy.base, sorted, parts: Parts(bounds: bounds.map(Int.init)), width: width, pool
      )
      #expect(values.bits == expected)
      return [values]
    }
  }

  @Test("a batch without tokens has zeros for every row, and one without rows writes nothing")
  func emptyBatch() {
    let pool = ThreadPool(threads: 2)
    let sorted = RowTokens(tableRows: 5)
    let none: [Int32] = []
    let values = unwritten(2 * 3)
    none.withUnsafeBufferPointer { ids in
      [Int32(1), 4].withUnsafeBufferPointer { sorted.sort(ids, into: $0) }
    }
    for bounds in [[0, 0], [0, 0, 0]] {
      values.base.update(repeating: .nan, count: 6)
      Embedding.sumRows(
        values.base, values.base, sorted, parts: Parts(bounds: bounds), width: 3, pool)
      #expect(values.bits.allSatisfy { $0 == 0 })
    }
    none.withUnsafeBufferPointer { sorted.sort($0, into: $0) }
    Embedding.sumRows(values.base, values.base, sorted, parts: .one(0), width: 3, pool)
  }

  @Test("a part that cancels to a negative subnormal counts as it does in a dense buffer")
  func flushedSums() {
    // Part 0 leaves -1e-39, flushed to -0; part 1 has no token of the row and adds +0.
    let dy = Arena(count: 2)
    (dy.base[0], dy.base[1]) = (1.2e-38, -1.3e-38)
    let sorted = RowTokens(tableRows: 1)
    let ids: [Int32] = [0, 0]
    ids.withUnsafeBufferPointer { ids in
      [Int32(0)].withUnsafeBufferPointer { sorted.sort(ids, into: $0) }
    }
    for (bounds, expected) in [([0, 2], Float(-0.0)), ([0, 2, 2], 0), ([0, 0, 2], 0)] {
      let value = unwritten(1)
      Embedding.sumRows(
        value.base, dy.base, sorted, parts: Parts(bounds: bounds), width: 1, ThreadPool(threads: 1))
      #expect(value.bits == [expected.bitPattern])
    }
  }

  @Test("touched rows are the ids of a batch, each once, in rising order")
  func touchedRows() {
    let touched = TouchedRows(tableRows: 130)
    for ids: [Int32] in [[129, 0, 63, 64, 129, 5, 0], [], [7], (0..<130).reversed().map { $0 }] {
      ids.withUnsafeBufferPointer { touched.replace(with: $0) }
      #expect(Array(touched.rows) == Set(ids).sorted())
      #expect(touched.count == Set(ids).count)
    }
  }

  @Test("where all rows of a table count, those without tokens get zeros")
  func wholeTable() {
    let dy = random(3 * 2, "dy")
    let sorted = RowTokens(tableRows: 4)
    let rows = [2, 0, 2]
    sorted.sort(count: 3) { rows[$0] }
    let values = unwritten(4 * 2)
    Embedding.sumRows(
      values.base, dy.base, sorted, parts: .one(3), width: 2, ThreadPool(threads: 1))
    let d = (0..<6).map { dy.base[$0] }
    let expected = [d[2], d[3], 0, 0, d[0] + d[4], d[1] + d[5], 0, 0]
    #expect(values.bits == expected.map(\.bitPattern))
  }
}
