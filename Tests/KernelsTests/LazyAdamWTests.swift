import Foundation
import Testing

@testable import Kernels

/// A table that the dense AdamW updates, with zeros for a gradient where a row is not touched, beside
/// one that the lazy one does.
private final class Comparison {
  let rows: Int
  let width: Int
  private let optimizer: AdamW
  private let dense: [Arena]
  private let lazy: [Arena]
  private let updates: LazyAdamW
  private let pool: ThreadPool
  private var done = 0

  init(
    rows: Int, width: Int, threads: Int = 2, optimizer: AdamW = AdamW(),
    start: (_ p: Arena, _ m: Arena, _ v: Arena) -> Void = { _, _, _ in }
  ) {
    (self.rows, self.width, self.optimizer) = (rows, width, optimizer)
    pool = ThreadPool(threads: threads)
    let count = rows * width
    dense = [random(count, "p", 0.04), Arena(count: count), Arena(count: count)]
    start(dense[0], dense[1], dense[2])
    lazy = dense.map(\.copy)
    updates = LazyAdamW(
      optimizer, lazy[0].base, lazy[1].base, lazy[2].base, rows: rows, width: width)
  }

  /// One step of both.
  ///
  /// - Parameter deviation: of the gradient's normal numbers.
  func step(
    touching touched: [Int32], learningRate: Double, weightDecay: Double, deviation: Float,
    step: Int? = nil
  ) {
    done += 1
    let number = step ?? done
    let values = random(touched.count * width, "g\(done)", deviation)
    let gradient = Arena(count: rows * width)
    for (index, row) in touched.enumerated() {
      (gradient.base + Int(row) * width).update(from: values.base + index * width, count: width)
    }
    optimizer.update(
      dense[0].base, dense[1].base, dense[2].base, gradient.base, count: rows * width,
      step: number, learningRate: learningRate, weightDecay: weightDecay, gradientScale: 0.7, pool)
    touched.withUnsafeBufferPointer {
      updates.update(
        rows: $0, values.base, step: number, learningRate: learningRate, weightDecay: weightDecay,
        gradientScale: 0.7, pool)
    }
  }

  func bringUpToDate(_ rows: [Int32]) {
    rows.withUnsafeBufferPointer { updates.bringUpToDate($0, pool) }
  }

  /// How many of some rows, or of all, differ.
  func differences(in rows: [Int32]) -> Int {
    bringUpToDate(rows)
    return rows.count { row in
      let range = Int(row) * width..<(Int(row) + 1) * width
      return zip(dense, lazy).contains { dense, lazy in
        range.contains { dense.base[$0].bitPattern != lazy.base[$0].bitPattern }
      }
    }
  }

  /// Differing floats after all rows are up to date; nil where there is none.
  func firstDifference() -> String? {
    updates.bringUpToDate(pool)
    for (name, (dense, lazy)) in zip(["p", "m", "v"], zip(dense, lazy)) {
      for i in 0..<rows * width where dense.base[i].bitPattern != lazy.base[i].bitPattern {
        return "\(name)[\(i / width), \(i % width)] after \(done) steps: "
          + "expected \(dense.base[i]), found \(lazy.base[i])"
      }
    }
    return nil
  }

  var staleRows: Int {
    (0..<rows * width).count { dense[0].base[$0].bitPattern != lazy[0].base[$0].bitPattern }
  }
  var zeroMeans: Int { (0..<rows * width).count { dense[1].base[$0] == 0 } }
  var zeroSquares: Int { (0..<rows * width).count { dense[2].base[$0] == 0 } }
}

@Suite struct LazyAdamWTests {
  struct Schedule: Sendable, CustomTestStringConvertible {
    let name: String
    let weightDecay: Double
    let rate: @Sendable (Int) -> Double
    var testDescription: String { "\(name), weight decay \(weightDecay)" }

    static let steps = 1500
    static let all: [Schedule] = [0, 0.01, 30].flatMap { decay in
      [
        Schedule(name: "linear", weightDecay: decay) { 2e-5 * (1 - Double($0 - 1) / 1500) },
        Schedule(name: "warm-up", weightDecay: decay) {
          $0 <= 400 ? 3e-4 * Double($0 - 1) / 400 : 3e-4 * Double(1500 - $0) / 1100
        },
        Schedule(name: "constant and large", weightDecay: decay) { _ in 0.01 },
        Schedule(name: "up and down", weightDecay: decay) { $0 % 50 < 25 ? 0 : 1e-3 },
      ]
    }
  }

  /// Rows that a step touches: 0 always, 1 never, 2 once, others now and then, their gaps from 1 to all
  /// steps.
  private func touched(_ step: Int, rows: Int) -> [Int32] {
    (0..<Int32(rows)).filter { row in
      switch row {
      case 0: true
      case 1: false
      case 2: step == 3
      case 3: step == 1 || step == 1200
      default: (step + Int(row) * 7) % (Int(row) * Int(row) / 3 + 1) == 0
      }
    }
  }

  @Test(
    "rows that make up for missed steps have the bits of a dense update, over 1,500 steps",
    arguments: Schedule.all)
  func matchesDense(schedule: Schedule) {
    let comparison = Comparison(rows: 45, width: 45)
    for step in 1...Schedule.steps {
      let rows = touched(step, rows: 45)
      // What a forward pass would read.
      if step % 7 == 0 { #expect(comparison.differences(in: rows) == 0, "step \(step)") }
      comparison.step(
        touching: rows, learningRate: schedule.rate(step), weightDecay: schedule.weightDecay,
        deviation: step % 3 == 0 ? 1e-6 : 1e-2)
      if [1, 2, 130, 131, 700].contains(step) {
        let difference = comparison.firstDifference()
        #expect(difference == nil, "\(difference ?? "")")
      }
    }
    #expect(comparison.firstDifference() == nil)
    #expect(comparison.zeroMeans > 45, "some moments have faded to 0")
  }

  @Test("rows do lag behind, and no longer than until their turn")
  func rowsLag() {
    let comparison = Comparison(rows: 300, width: 8)
    for step in 1...400 {
      comparison.step(
        touching: [Int32(step % 300)], learningRate: 1e-2, weightDecay: 0.1, deviation: 1)
      if step == 5 { #expect(comparison.staleRows > 200 * 8) }
    }
    // All but those of the last turns are behind, and the table keeps no more steps than it must.
    #expect(comparison.staleRows > 0)
    #expect(comparison.firstDifference() == nil)
    #expect(comparison.staleRows == 0)
  }

  @Test(
    "moments that fade into the subnormals, vanish, or begin odd end as in a dense update",
    arguments: [0, 0.01])
  func extremeMoments(weightDecay: Double) {
    let odd: [Float] = [
      0, -0.0, 0x1p-130, -0x1p-130, 1.2e-38, -1.2e-38, 1e-30, 1e-20, -1e-10, 1, -1, 1e10,
    ]
    let squares: [Float] = [0, 0x1p-130, 1.2e-38, 1e-37, 1e-30, 1e-16, 1e-8, 1, 1e20, -0.0]
    let values: [Float] = [0, -0.0, 0x1p-130, 1.2e-38, 1e-25, 0x1p-60, 1e-12, 0.02, -0.5, 1, 1e8]
    let count = odd.count * squares.count * values.count
    let comparison = Comparison(rows: 4, width: count) { p, m, v in
      for i in 0..<2 * count {
        m.base[i] = odd[i % odd.count]
        v.base[i] = squares[i / odd.count % squares.count]
        p.base[i] = values[i / odd.count / squares.count % values.count]
      }
    }
    for step in 1...1100 {
      comparison.step(
        touching: step == 1 ? [3] : [], learningRate: 1e-3, weightDecay: weightDecay,
        deviation: 1e-15)
      if step < 40 || step % 100 == 0 {
        let difference = comparison.firstDifference()
        #expect(difference == nil, "\(difference ?? "")")
      }
    }
    #expect(comparison.firstDifference() == nil)
    #expect(comparison.zeroSquares > count, "some moments have vanished")
  }

  @Test("other coefficients than the usual ones, and a run that begins late")
  func otherCoefficients() {
    for optimizer in [
      AdamW(beta1: 0.9, beta2: 0.999, epsilon: 0), AdamW(beta1: 0.99, beta2: 0.9, epsilon: 1e-8),
      AdamW(beta1: 0, beta2: 0.5, epsilon: 1e-14), AdamW(beta1: 0.5, beta2: 0.99, epsilon: 1e-3),
    ] {
      let comparison = Comparison(rows: 9, width: 40, optimizer: optimizer) { _, m, v in
        // With ε = 0, a moment of 0 would make NaNs, whose bits nobody promises.
        for i in 0..<m.count { (m.base[i], v.base[i]) = (Float(i % 7) * 1e-3 - 2e-3, 1e-4) }
      }
      for step in 1...300 {
        comparison.step(
          touching: [Int32(step * step % 5)], learningRate: 1e-4, weightDecay: 0.01,
          deviation: 1e-2, step: 5000 + step)
      }
      let difference = comparison.firstDifference()
      #expect(difference == nil, "\(optimizer): \(difference ?? "")")
    }
  }

  @Test("bits do not depend on the threads, nor on who asked for which rows in between")
  func independence() {
    let count = 50 * 33
    func run(threads: Int, asking: Bool) -> [[UInt32]] {
      let pool = ThreadPool(threads: threads)
      let arenas = [random(count, "p"), Arena(count: count), Arena(count: count)]
      let updates = LazyAdamW(
        AdamW(), arenas[0].base, arenas[1].base, arenas[2].base, rows: 50, width: 33)
      for step in 1...200 {
        let rows = (0..<50).filter { ($0 * 13 + step * step) % 11 == 0 }.map { Int32($0) }
        let gradient = random(rows.count * 33, "g\(step)")
        if asking, step % 3 == 0 {
          [Int32(step % 50)].withUnsafeBufferPointer { updates.bringUpToDate($0, pool) }
        }
        if asking, step % 50 == 0 { updates.bringUpToDate(pool) }
        rows.withUnsafeBufferPointer {
          updates.update(
            rows: $0, gradient.base, step: step, learningRate: 1e-3, weightDecay: 0.01,
            gradientScale: 1, pool)
        }
      }
      updates.bringUpToDate(pool)
      return arenas.map(\.bits)
    }
    let reference = run(threads: 1, asking: false)
    for threads in [1, 2, 3, 5] { #expect(run(threads: threads, asking: true) == reference) }
  }
}
