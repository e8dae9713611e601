// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Testing

@testable import Kernels

/// Layer normalisation of one row in double precision, and its gradient.
private struct Row {
  let normalized: [Double]
  let inverse: Double

  init(_ x: [Double], epsilon: Double) {
    let n = Double(x.count)
    let mean = x.reduce(0, +) / n
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    inverse = 1 / (variance + epsilon).squareRoot()
    normalized = x.map { [inverse] in ($0 - mean) * inverse }
  }

  func backward(_ g: [Double]) -> [Double] {
    let n = Double(g.count)
    let mean = g.reduce(0, +) / n
    let dot = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 } / n
    return zip(g, normalized).map { inverse * ($0 - mean - $1 * dot) }
  }
}

@Suite struct NormTests {
  static let sizes = [(0, 8), (1, 1), (1, 384), (5, 3), (7, 33), (9, 100), (70, 40)]

  @Test("Layer normalisation matches double precision", arguments: sizes)
  func layerNorm(rows T: Int, width H: Int) {
    let pool = ThreadPool(threads: 2)
    let x = random(T * H, "x", 2)
    let (gamma, beta, dy) = (random(H, "gamma"), random(H, "beta"), random(T * H, "dy"))
    let (y, normalized, inverse) = (unwritten(T * H), unwritten(T * H), unwritten(T))
    LayerNorm.forward(
      y.base, normalized.base, inverse.base, x.base, gamma.base, beta.base, epsilon: 1e-5,
      rows: T, width: H, pool)
    let (dx, dgamma, dbeta) = (unwritten(T * H), unwritten(H), unwritten(H))
    LayerNorm.backward(
      dx.base, dgamma.base, dbeta.base, dy.base, normalized.base, inverse.base, gamma.base,
      rows: .one(T), width: H, pool)

    let rows = (0..<T).map { t in
      Row(Array(x.doubles[t * H..<(t + 1) * H]), epsilon: Double(Float(1e-5)))
    }
    let (g, unit) = (gamma.doubles, rows.flatMap(\.normalized))
    expectClose("normalized", normalized, unit, absolute: 2e-6)
    expectClose("inverse", inverse, rows.map(\.inverse), absolute: 1e-30, relative: 2e-6)
    let shifted = (0..<T * H).map { unit[$0] * g[$0 % H] + beta.doubles[$0 % H] }
    expectClose("y", y, shifted, absolute: 4e-6)
    let d = dy.doubles
    let expected = (0..<T).flatMap { t in rows[t].backward((0..<H).map { d[t * H + $0] * g[$0] }) }
    expectClose("dx", dx, expected, absolute: 1e-5)
    let products = zip(d, unit).map { $0 * $1 }
    expectClose("dgamma", dgamma, columnSums(products, rows: T, width: H), absolute: 2e-5)
    expectClose("dbeta", dbeta, columnSums(d, rows: T, width: H), absolute: 1e-5)

    LayerNorm.backward(
      dy.base, dgamma.base, dbeta.base, dy.base, normalized.base, inverse.base, gamma.base,
      rows: .one(T), width: H, pool)
    #expect(dy.bits == dx.bits)
  }

  @Test("A constant row becomes beta, a row of large mean keeps its accuracy")
  func extremeRows() {
    let H = 50
    let (x, gamma, beta) = (Arena(count: 2 * H), random(H, "gamma"), random(H, "beta"))
    x.base.update(repeating: 3, count: H)
    for c in 0..<H { x.base[H + c] = 1000 + Float(c % 7) }
    let (y, normalized, inverse) = (unwritten(2 * H), unwritten(2 * H), unwritten(2))
    LayerNorm.forward(
      y.base, normalized.base, inverse.base, x.base, gamma.base, beta.base, epsilon: 1e-12,
      rows: 2, width: H, ThreadPool(threads: 1))
    #expect(Array(y.bits[..<H]) == beta.bits)
    let row = Row(Array(x.doubles[H...]), epsilon: 1e-12)
    let found = Arena(count: H)
    found.base.update(from: normalized.from(H), count: H)
    expectClose("normalized", found, row.normalized, absolute: 1e-4)
  }

  @Test(
    "The fused residual norm matches its parts", arguments: [0, 0.25] as [Float], [1, 3, 33, 64])
  func residualNorm(probability: Float, width H: Int) {
    let pool = ThreadPool(threads: 3)
    let packing = Packing(lengths: [4, 0, 1, 6], rows: [11, 12, 13, 14])
    let T = packing.tokens
    let key = DropoutKey(seed: 5, step: 6, site: 7, probability: probability)
    let (x, b, residual) = (random(T * H, "x"), random(H, "b"), random(T * H, "residual"))
    let (gamma, beta, dy) = (random(H, "gamma"), random(H, "beta"), random(T * H, "dy"))

    let biased = Arena(count: T * H)
    for i in 0..<T * H { biased.base[i] = x.base[i] + b.base[i % H] }
    let (y, normalized, inverse) = (unwritten(T * H), unwritten(T * H), unwritten(T))
    let (y2, normalized2, inverse2) = (unwritten(T * H), unwritten(T * H), unwritten(T))
    let (dx, dresidual, db) = (unwritten(T * H), unwritten(T * H), unwritten(H))
    let (dgamma, dbeta) = (unwritten(H), unwritten(H))
    let (dx2, dsum2) = (unwritten(T * H), unwritten(T * H))
    let (dgamma2, dbeta2) = (unwritten(H), unwritten(H))
    packing.withCoordinates { at in
      ResidualNorm.forward(
        y.base, normalized.base, inverse.base, x.base, b.base, residual.base, gamma.base, beta.base,
        epsilon: 1e-5, key, at, rows: T, width: H, pool)
      ResidualNorm.backward(
        dx.base, dresidual.base, db.base, dgamma.base, dbeta.base, dy.base, normalized.base,
        inverse.base, gamma.base, key, at, rows: .one(T), width: H, pool)

      Dropout.apply(biased.base, biased.base, key, at, rows: T, width: H, pool)
      Reduction.add(biased.base, residual.base, count: T * H, pool)
      LayerNorm.forward(
        y2.base, normalized2.base, inverse2.base, biased.base, gamma.base, beta.base, epsilon: 1e-5,
        rows: T, width: H, pool)
      LayerNorm.backward(
        dsum2.base, dgamma2.base, dbeta2.base, dy.base, normalized2.base, inverse2.base, gamma.base,
        rows: .one(T), width: H, pool)
      Dropout.apply(dx2.base, dsum2.base, key, at, rows: T, width: H, pool)
    }
    expectClose("y", y, y2.doubles, absolute: 1e-5)
    expectClose("normalized", normalized, normalized2.doubles, absolute: 1e-5)
    expectClose("inverse", inverse, inverse2.doubles, absolute: 1e-5)
    expectClose("dresidual", dresidual, dsum2.doubles, absolute: 2e-5)
    expectClose("dx", dx, dx2.doubles, absolute: 2e-5)
    expectClose("db", db, columnSums(dx2.doubles, rows: T, width: H), absolute: 5e-5)
    expectClose("dgamma", dgamma, dgamma2.doubles, absolute: 5e-5)
    expectClose("dbeta", dbeta, dbeta2.doubles, absolute: 5e-5)
  }

  @Test("Bits do not depend on the threads")
  func threads() {
    let packing = Packing(lengths: [40, 17], rows: [1, 2])
    let (T, H) = (57, 200)
    let key = DropoutKey(seed: 5, step: 6, site: 7, probability: 0.1)
    let (x, b, residual) = (random(T * H, "x"), random(H, "b"), random(T * H, "residual"))
    let (gamma, beta, dy) = (random(H, "gamma"), random(H, "beta"), random(T * H, "dy"))
    expectSameBitsOnAnyThreads { pool in
      let (y, normalized, inverse) = (unwritten(T * H), unwritten(T * H), unwritten(T))
      let (dx, dresidual, db) = (unwritten(T * H), unwritten(T * H), unwritten(H))
      let (dgamma, dbeta) = (unwritten(H), unwritten(H))
      packing.withCoordinates { at in
        ResidualNorm.forward(
          y.base, normalized.base, inverse.base, x.base, b.base, residual.base, gamma.base,
          beta.base, epsilon: 1e-5, key, at, rows: T, width: H, pool)
        ResidualNorm.backward(
          dx.base, dresidual.base, db.base, dgamma.base, dbeta.base, dy.base, normalized.base,
          inverse.base, gamma.base, key, at, rows: .one(T), width: H, pool)
      }
      return [y, normalized, inverse, dx, dresidual, db, dgamma, dbeta]
    }
  }
}
