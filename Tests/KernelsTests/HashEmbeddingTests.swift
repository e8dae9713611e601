// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Testing

@testable import Kernels

@Suite struct HashEmbeddingTests {
  private static let ids: [Int32] = [0xE000, 0, 97, 97, 0x10FFFF, 128_512, 57]
  private static let positions: [UInt32] = [0, 1, 2, 0, 1, 2, 3]
  private static let types: [UInt8] = [0, 0, 1, 0, 1, 1, 0]

  @Test("code points fall into Hugging Face's buckets")
  func buckets() {
    // ((id + 1) * prime) % 16384.
    #expect(HashEmbedding.bucket(of: 0, function: 0, buckets: 16384) == 31)
    #expect(HashEmbedding.bucket(of: 0xE000, function: 7, buckets: 16384) == 8_305)
    #expect(HashEmbedding.bucket(of: 97, function: 15, buckets: 16384) == 5_470)
    #expect(HashEmbedding.bucket(of: 0x10FFFF, function: 15, buckets: 53) == 42)
    #expect(HashEmbedding.maxFunctions == 16)
  }

  @Test("a character's vector is its rows side by side, type and position", arguments: [1, 4])
  func forward(F: Int) {
    let (B, H, T) = (11, 12, Self.ids.count)
    let W = H / F
    let (tables, position) = (random(F * B * W, "tables"), random(B * H, "position"))
    let type = random(2 * H, "type")
    let y = unwritten(T * H)
    HashEmbedding.forward(
      y.base, tables: tables.base, position: position.base, type: type.base, ids: Self.ids,
      positions: Self.positions, typeIDs: Self.types, functions: F, buckets: B, rows: T, width: H,
      ThreadPool(threads: 2))
    let (rows, at, of) = (tables.doubles, position.doubles, type.doubles)
    expectClose(
      "y", y,
      (0..<T * H).map { i in
        let (t, c) = (i / H, i % H)
        let bucket = HashEmbedding.bucket(of: Self.ids[t], function: c / W, buckets: B)
        return rows[(c / W * B + bucket) * W + c % W] + of[Int(Self.types[t]) * H + c]
          + at[Int(Self.positions[t]) * H + c]
      })
  }

  @Test("a bucket's gradient is the sum over its characters, part by part", arguments: [1, 4])
  func backward(F: Int) {
    let (B, H, T) = (3, 12, Self.ids.count)
    let W = H / F
    let dy = random(T * H, "dy")
    func gradient(
      _ parts: Parts, _ dy: MutableFloats, _ ids: [Int32], _ pool: ThreadPool
    ) -> Arena {
      let found = unwritten(F * B * W)
      HashEmbedding.backward(
        found.base, dy, ids: ids, RowTokens(tableRows: B), functions: F, buckets: B, rows: parts,
        width: H, pool)
      return found
    }
    let parts = Parts(bounds: [0, 3, 3, 4, T])
    expectSameBitsOnAnyThreads { [gradient(parts, dy.base, Self.ids, $0)] }
    let pool = ThreadPool(threads: 2)
    let found = gradient(parts, dy.base, Self.ids, pool)
    var expected = [Double](repeating: 0, count: F * B * W)
    for t in 0..<T {
      for c in 0..<H {
        let bucket = HashEmbedding.bucket(of: Self.ids[t], function: c / W, buckets: B)
        expected[(c / W * B + bucket) * W + c % W] += dy.doubles[t * H + c]
      }
    }
    expectClose("dtables", found, expected)
    let tree = treeSum(parts, count: F * B * W) { rows in
      gradient(.one(rows.count), dy.from(rows.lowerBound * H), Array(Self.ids[rows]), pool)
    }
    #expect(found.bits == tree.bits)
  }
}
