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
