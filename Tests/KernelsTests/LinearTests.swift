// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Testing

@testable import Kernels

@Suite struct LinearTests {
  struct Shape: CustomTestStringConvertible {
    let rows, inputs, outputs: Int
    var testDescription: String { "\(rows) x \(inputs) -> \(outputs)" }
  }

  static let shapes = [
    Shape(rows: 0, inputs: 5, outputs: 3), Shape(rows: 1, inputs: 1, outputs: 1),
    Shape(rows: 1, inputs: 17, outputs: 130), Shape(rows: 3, inputs: 2, outputs: 11),
    Shape(rows: 27, inputs: 129, outputs: 385), Shape(rows: 5, inputs: 0, outputs: 4),
    Shape(rows: 530, inputs: 33, outputs: 7), Shape(rows: 13, inputs: 300, outputs: 200),
  ]

  @Test(
    "Linear layers match double precision, forward and backward", arguments: shapes,
    TileKernel.available)
  func oracle(shape: Shape, kernel: TileKernel) {
    let (T, I, O) = (shape.rows, shape.inputs, shape.outputs)
    let pool = ThreadPool(threads: 3, kernel: kernel)
    let (x, w, b) = (random(T * I, "x"), random(O * I, "w"), random(O, "b"))
    let y = unwritten(T * O)
    Linear.forward(y.base, x.base, w.base, b.base, rows: T, inputs: I, outputs: O, pool)
    let xw = product(x.doubles, (I, 1), w.doubles, (1, I), T, O, I)
    let biased = (0..<T * O).map { xw[$0] + Double(b.base[$0 % O]) }
    expectClose("y", y, biased, absolute: 4e-5)
    Linear.forward(y.base, x.base, w.base, nil, rows: T, inputs: I, outputs: O, pool)
    expectClose("y without bias", y, xw, absolute: 4e-5)

    let dy = random(T * O, "dy")
    let (dx, dw, db) = (unwritten(T * I), unwritten(O * I), unwritten(O))
    Linear.backward(
      dx.base, dw.base, db.base, dy.base, x.base, w.base, rows: .one(T), inputs: I, outputs: O, pool
    )
    let expectedInput = product(dy.doubles, (O, 1), w.doubles, (I, 1), T, I, O)
    let expectedWeight = product(dy.doubles, (1, O), x.doubles, (I, 1), O, I, T)
    expectClose("dx", dx, expectedInput, absolute: 4e-5)
    expectClose("dw", dw, expectedWeight, absolute: 4e-5)
    expectClose("db", db, columnSums(dy.doubles, rows: T, width: O), absolute: 2e-5)

    let sum = random(T * I, "sum")
    let before = sum.doubles
    Linear.backward(
      sum.base, dw.base, nil, dy.base, x.base, w.base, rows: .one(T), inputs: I, outputs: O,
      accumulateInput: true, pool)
    expectClose("dx +=", sum, zip(before, expectedInput).map { $0 + $1 }, absolute: 4e-5)
    let weights = dw.bits
    dw.base.update(repeating: .nan, count: dw.count)
    Linear.backward(
      nil, dw.base, nil, dy.base, x.base, w.base, rows: .one(T), inputs: I, outputs: O, pool)
    #expect(dw.bits == weights)
  }

  @Test("A part without rows contributes exact zeros")
  func emptyPart() {
    let (dw, db) = (unwritten(12), unwritten(3))
    let nothing = Arena(count: 0)
    let w = random(12, "w")
    Linear.backward(
      nothing.base, dw.base, db.base, nothing.base, nothing.base, w.base, rows: .one(0),
      inputs: 4,
      outputs: 3, ThreadPool(threads: 2))
    #expect(dw.bits.allSatisfy { $0 == 0 } && db.bits.allSatisfy { $0 == 0 })
  }

  @Test("Bits depend neither on the threads nor on where buffers lie", arguments: [1, 27, 600])
  func sameBits(rows T: Int) {
    let (I, O) = (96, 400)
    let x = random(T * I, "x")
    let (w, b, dy) = (random(O * I, "w"), random(O, "b"), random(T * O, "dy"))
    var reference: [[UInt32]] = []
    for shift in [0, 1, 3] {
      let moved = Arena(count: T * I + shift)
      moved.from(shift).update(from: x.base, count: T * I)
      expectSameBitsOnAnyThreads { pool in
        let y = unwritten(T * O + shift)
        let (dx, dw, db) = (unwritten(T * I), unwritten(O * I + shift), unwritten(O))
        Linear.forward(
          y.from(shift), moved.from(shift), w.base, b.base, rows: T, inputs: I, outputs: O, pool)
        Linear.backward(
          dx.base, dw.from(shift), db.base, dy.base, moved.from(shift), w.base,
          rows: .one(T), inputs: I, outputs: O, pool)
        let bits = [Array(y.bits.dropFirst(shift)), dx.bits, Array(dw.bits.dropFirst(shift))]
        if reference.isEmpty { reference = bits }
        #expect(bits == reference, "moved by \(shift) floats")
        return [y, dx, dw, db]
      }
    }
  }

  @Test("Bits depend neither on the tiles nor on the rows beside", arguments: shapes)
  func tiles(shape: Shape) {
    let (T, I, O) = (shape.rows, shape.inputs, shape.outputs)
    let (x, w, b) = (random(T * I, "x"), random(O * I, "w"), random(O, "b"))
    func bits(_ kernel: TileKernel) -> [UInt32] {
      let y = unwritten(T * O)
      let (dx, dw, db) = (unwritten(T * I), unwritten(O * I), unwritten(O))
      let pool = ThreadPool(threads: 2, kernel: kernel)
      Linear.forward(y.base, x.base, w.base, b.base, rows: T, inputs: I, outputs: O, pool)
      Linear.backward(
        dx.base, dw.base, db.base, y.base, x.base, w.base, rows: .one(T), inputs: I, outputs: O,
        pool)
      return y.bits + dx.bits + dw.bits + db.bits
    }
    for kernel in TileKernel.available.dropFirst() {
      #expect(bits(kernel) == bits(TileKernel.available[0]))
    }
    let whole = unwritten(T * O)
    let pool = ThreadPool(threads: 2)
    Linear.forward(whole.base, x.base, w.base, b.base, rows: T, inputs: I, outputs: O, pool)
    for start in stride(from: 0, to: T, by: 5) {
      let rows = min(5, T - start)
      let y = unwritten(rows * O)
      Linear.forward(
        y.base, x.from(start * I), w.base, b.base, rows: rows, inputs: I, outputs: O, pool)
      #expect(y.bits == Array(whole.bits[start * O..<(start + rows) * O]))
    }
  }

  @Test(
    "A weight's gradient is the sum of its parts in their tree, to the bit",
    arguments: [[0, 7], [0, 3, 3], [0, 0, 5, 300, 311], [0, 1, 2, 3, 4, 4, 4, 9, 20]],
    TileKernel.available)
  func parts(bounds: [Int], kernel: TileKernel) {
    let (I, O) = (37, 41)
    let parts = Parts(bounds: bounds)
    let T = parts.rows
    let (x, w, dy) = (random(T * I, "x"), random(O * I, "w"), random(T * O, "dy"))
    let pool = ThreadPool(threads: 2, kernel: kernel)
    let expected = treeSum(parts, count: O * I + O) { rows in
      let sum = unwritten(O * I + O)
      Linear.backward(
        nil, sum.base, sum.from(O * I), dy.from(rows.lowerBound * O),
        x.from(rows.lowerBound * I), w.base, rows: .one(rows.count), inputs: I, outputs: O, pool)
      return sum
    }
    let found = unwritten(O * I + O)
    Linear.backward(
      nil, found.base, found.from(O * I), dy.base, x.base, w.base, rows: parts, inputs: I,
      outputs: O, pool)
    #expect(found.bits == expected.bits)
  }
}
