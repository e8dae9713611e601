// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Testing

@testable import Kernels

@Suite struct EmbeddingTests {
  @Test("Embeddings are the sums of their tables' rows", arguments: [1, 7, 64, 130])
  func forward(width H: Int) {
    let T = 9
    let (word, position, type) = (random(20 * H, "w"), random(6 * H, "p"), random(2 * H, "t"))
    let ids: [Int32] = [0, 19, 3, 3, 7, 1, 2, 19, 0]
    let positions: [UInt32] = [0, 1, 2, 3, 0, 1, 0, 4, 5]
    let types: [UInt8] = [0, 0, 1, 1, 0, 1, 0, 0, 1]
    let y = unwritten(T * H)
    let pool = ThreadPool(threads: 2)
    func expected(_ type: (Int, Int) -> Double) -> [Double] {
      (0..<T * H).map { i in
        let (t, c) = (i / H, i % H)
        return word.doubles[Int(ids[t]) * H + c] + position.doubles[Int(positions[t]) * H + c]
          + type(t, c)
      }
    }
    let table = type.doubles
    Embedding.forward(
      y.base, word: word.base, position: position.base, type: type.base, ids: ids,
      positions: positions, typeIDs: types, rows: T, width: H, pool)
    expectClose("typed", y, expected { t, c in table[Int(types[t]) * H + c] })
    Embedding.forward(
      y.base, word: word.base, position: position.base, type: type.base, ids: ids,
      positions: positions, typeIDs: nil, rows: T, width: H, pool)
    expectClose("type 0", y, expected { _, c in table[c] })
    Embedding.forward(
      y.base, word: word.base, position: position.base, type: nil, ids: ids,
      positions: positions, typeIDs: nil, rows: T, width: H, pool)
    expectClose("no types", y, expected { _, _ in 0 })
  }

  @Test("A row's gradients are added in token order, whatever the threads")
  func accumulationOrder() {
    let H = 70
    // Float addition that notices its order: the ones are lost unless they come after the big pair.
    let values: [Float] = [1e8, 1, -1e8, 1, 0.5]
    let groups = RowGroups([2, 2, 2, 2, 0])
    let dy = Arena(count: 5 * H)
    for i in 0..<5 * H { dy.base[i] = values[i / H] }
    expectSameBitsOnAnyThreads { pool in
      let table = Arena(count: 3 * H)
      Embedding.backward(table.base, dy.base, groups, tokens: .one(5), width: H, pool)
      let row = ((Float(1e8) + 1) - 1e8) + 1
      #expect((0..<H).allSatisfy { table.base[2 * H + $0] == row && table.base[$0] == 0.5 })
      #expect((0..<H).allSatisfy { table.base[H + $0] == 0 })
      return [table]
    }
  }

  @Test(
    "Parts of a table's gradient are summed in their tree, to the bit",
    arguments: [[0, 40], [0, 13, 40], [0, 0, 9, 9, 40], [0, 4, 11, 15, 15, 22, 30, 31, 40]])
  func partsOfTable(bounds: [Int]) {
    let (H, V) = (45, 6)
    let parts = Parts(bounds: bounds)
    let ids = (0..<40).map { Int32($0 * $0 % 7 % V) }
    let dy = random(40 * H, "dy")
    let expected = treeSum(parts, count: V * H) { rows in
      let table = Arena(count: V * H)
      for t in rows { for c in 0..<H { table.base[Int(ids[t]) * H + c] += dy.base[t * H + c] } }
      return table
    }
    expectSameBitsOnAnyThreads { pool in
      let table = Arena(count: V * H)
      Embedding.backward(table.base, dy.base, RowGroups(ids), tokens: parts, width: H, pool)
      #expect(table.bits == expected.bits)
      return [table]
    }
  }

  @Test("Tokens are grouped by ascending row, in their order within it")
  func groups() {
    let groups = RowGroups([5, 0, 5, 3])
    #expect(groups.rows == [0, 3, 5])
    #expect(groups.tokens == [1, 3, 0, 2])
    #expect(groups.starts == [0, 1, 2, 4])
    #expect(RowGroups([Int32]()).rows.isEmpty)
  }

  @Test("Gathered rows scatter back to where they came from")
  func gather() {
    let H = 3
    let x = random(5 * H, "x")
    let index: [Int32] = [4, 0, 2]
    let y = unwritten(3 * H)
    Gather.forward(y.base, x.base, index: index, rows: 3, width: H)
    func row(_ arena: Arena, _ t: Int) -> [UInt32] { Array(arena.bits[t * H..<(t + 1) * H]) }
    for (s, t) in [4, 0, 2].enumerated() { #expect(row(y, s) == row(x, t)) }
    let dx = Arena(count: 5 * H)
    Gather.backward(dx.base, y.base, index: index, rows: 3, width: H)
    for t in [0, 2, 4] { #expect(row(dx, t) == row(x, t)) }
    for t in [1, 3] { #expect(row(dx, t) == [0, 0, 0]) }
    Gather.forward(y.base, x.base, index: index, rows: 0, width: H)
  }
}
