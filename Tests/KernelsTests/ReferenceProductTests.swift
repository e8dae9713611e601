import Testing

@testable import Kernels

@Suite struct ReferenceProductTests {
  @Test(
    "OpenBLAS's products match double precision with either operand transposed",
    arguments: [(0, 3, 2), (1, 1, 1), (7, 5, 13), (40, 129, 33)],
    [(false, false), (false, true), (true, false), (true, true)])
  func oracle(shape: (Int, Int, Int), transposed: (Bool, Bool)) {
    let (rows, columns, depth) = shape
    let (a, b) = (random(rows * depth, "a"), random(depth * columns, "b"))
    let c = unwritten(rows * columns)
    ReferenceProduct.setThreads(1)
    ReferenceProduct.multiply(
      c.base, a.base, transposed.0 ? .transposed : .plain, b.base,
      transposed.1 ? .transposed : .plain, rows: rows, columns: columns, depth: depth)
    let expected = product(
      a.doubles, transposed.0 ? (1, rows) : (depth, 1), b.doubles,
      transposed.1 ? (1, depth) : (columns, 1), rows, columns, depth)
    expectClose("c", c, expected, absolute: 4e-5)
  }

  @Test("triad and copy reach every element", arguments: [0, 1, 7, 16_384, 40_003])
  func streams(count: Int) {
    let pool = ThreadPool(threads: 3)
    let (b, c) = (random(count, "b"), random(count, "c"))
    let a = unwritten(count)
    MemoryStream.copy(a.base, b.base, count: count, pool)
    #expect((0..<count).allSatisfy { a.base[$0] == b.base[$0] })
    MemoryStream.triad(a.base, b.base, c.base, scale: 2, count: count, pool)
    // Doubling is exact, so one rounding or two make no difference.
    #expect((0..<count).allSatisfy { a.base[$0] == b.base[$0] + 2 * c.base[$0] })
  }
}
