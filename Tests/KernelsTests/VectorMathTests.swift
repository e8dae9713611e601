import Foundation
import Testing

@testable import Kernels

@Suite struct VectorMathTests {
  /// The largest error of `f` in units in the last place of the expected value.
  private func worstUlps(
    _ range: ClosedRange<Float>, _ f: (SIMD8<Float>) -> SIMD8<Float>, _ expected: (Double) -> Double
  ) -> Double {
    let steps = 100_000
    var worst = 0.0
    for i in stride(from: 0, to: steps, by: 8) {
      var x = SIMD8<Float>()
      for k in 0..<8 {
        let t = Float(i + k) / Float(steps)
        x[k] = range.lowerBound + t * (range.upperBound - range.lowerBound)
      }
      let y = f(x)
      for k in 0..<8 {
        let e = expected(Double(x[k]))
        // In double precision: a float's ulp may be subnormal, which pool threads read as 0.
        let ulp = scalbn(1, Int(max(abs(e), 0x1p-126).exponent) - 23)
        let error = abs(Double(y[k]) - e) / ulp
        worst = max(worst, error.isNaN ? .infinity : error)
      }
    }
    return worst
  }

  @Test(
    "exp is within one unit in the last place",
    arguments: [-87.3...(-40), -40...(-1), -1...1, 1...88] as [ClosedRange<Float>])
  func exponential(range: ClosedRange<Float>) {
    #expect(worstUlps(range, VectorMath.exp, Foundation.exp) < 1)
  }

  @Test("exp of very negative numbers and of -infinity is exactly 0, of NaN is NaN")
  func exponentialEdges() {
    let y = VectorMath.exp(SIMD8(-88, -1000, -1e30, -.infinity, .nan, 0, -0.0, -87.34))
    for k in [0, 1, 2, 3, 7] { #expect(y[k] == 0) }
    #expect(y[4].isNaN)
    #expect(y[5] == 1 && y[6] == 1)
  }

  @Test(
    "tanh is within two units in the last place",
    arguments: [-12...(-0.6), -0.65...0.65, 0.6...12, -1e-5...1e-5] as [ClosedRange<Float>])
  func hyperbolicTangent(range: ClosedRange<Float>) {
    #expect(worstUlps(range, VectorMath.tanh, Foundation.tanh) < 2)
  }

  @Test("tanh is odd, bounded by 1 and keeps NaN")
  func hyperbolicTangentEdges() {
    let x = SIMD8<Float>(0.3, 0.7, 5, 50, .infinity, 1e-30, .nan, 0.625)
    let (y, z) = (VectorMath.tanh(x), VectorMath.tanh(-x))
    for k in 0..<8 where k != 6 { #expect(y[k] == -z[k]) }
    #expect(y[3] == 1 && y[4] == 1 && y[6].isNaN)
  }

  @Test(
    "The normal distribution's lower tail is within six units in the last place",
    arguments: [-12.8...(-6), -6...(-2), -2...0] as [ClosedRange<Float>])
  func lowerTail(range: ClosedRange<Float>) {
    func cumulative(_ x: SIMD8<Float>) -> SIMD8<Float> { VectorMath.normal(x).cumulative }
    func expected(_ x: Double) -> Double { Foundation.erfc(-x / 2.0.squareRoot()) / 2 }
    #expect(worstUlps(range, cumulative, expected) < 6)
  }

  @Test("The normal distribution's upper half has an absolute error below 2e-7")
  func upperHalf() {
    for i in 0..<20_000 {
      let x = Float(i) * 0.001
      let found = Double(VectorMath.normal(SIMD8(repeating: x)).cumulative[3])
      let expected = 1 - Foundation.erfc(Double(x) / 2.0.squareRoot()) / 2
      #expect(abs(found - expected) < 2e-7, "at \(x)")
    }
  }

  @Test("GELU and its derivative match double precision", arguments: [0, 1, 7, 8, 37, 1536])
  func gelu(width: Int) {
    let pool = ThreadPool(threads: 2)
    let rows = width == 1536 ? 11 : 3
    let x = random(rows * width, "x", 3)
    let b = random(width, "b")
    let (y, derivative) = (unwritten(rows * width), unwritten(rows * width))
    GELU.forward(y.base, derivative.base, x.base, b.base, rows: rows, width: width, pool)
    let z = (0..<rows * width).map { Double(x.base[$0] + b.base[$0 % width]) }
    let cumulative = z.map { Foundation.erfc(-$0 / 2.0.squareRoot()) / 2 }
    expectClose("y", y, zip(z, cumulative).map { $0 * $1 }, absolute: 1e-12, relative: 1e-6)
    let peak = 1 / (2 * Double.pi).squareRoot()
    let density = z.map { (z: Double) -> Double in peak * Foundation.exp(-z * z / 2) }
    let slope = (0..<z.count).map { cumulative[$0] + z[$0] * density[$0] }
    expectClose("derivative", derivative, slope, absolute: 4e-7, relative: 0)

    let dy = random(rows * width, "dy")
    let (dx, db) = (unwritten(rows * width), unwritten(width))
    GELU.backward(dx.base, db.base, dy.base, derivative.base, rows: .one(rows), width: width, pool)
    let expected = (0..<z.count).map { dy.doubles[$0] * slope[$0] }
    expectClose("dx", dx, expected, absolute: 2e-6)
    expectClose("db", db, columnSums(expected, rows: rows, width: width), absolute: 5e-6)

    let aliased = dy.copy
    GELU.backward(
      aliased.base, db.base, aliased.base, derivative.base, rows: .one(rows), width: width, pool)
    #expect(aliased.bits == dx.bits)
    let overwritten = x.copy
    GELU.forward(
      y.base, overwritten.base, overwritten.base, b.base, rows: rows, width: width, pool)
    #expect(overwritten.bits == derivative.bits)
  }

  @Test("GELU of huge numbers is the number or 0, without NaN")
  func geluEdges() {
    let x = Arena(count: 6)
    let values: [Float] = [1e4, -1e4, 1e20, -1e20, 14, -14]
    for (i, value) in values.enumerated() { x.base[i] = value }
    let (b, y, d) = (Arena(count: 6), unwritten(6), unwritten(6))
    GELU.forward(y.base, d.base, x.base, b.base, rows: 1, width: 6, ThreadPool(threads: 1))
    #expect(y.doubles == [1e4, 0, Double(Float(1e20)), 0, 14, 0])
    #expect(d.doubles == [1, 0, 1, 0, 1, 0])
  }

  @Test("GELU's bits do not depend on the threads")
  func geluThreads() {
    let (x, b, dy) = (random(57 * 200, "x"), random(200, "b"), random(57 * 200, "dy"))
    expectSameBitsOnAnyThreads { pool in
      let (y, d, dx, db) = (
        unwritten(57 * 200), unwritten(57 * 200), unwritten(57 * 200), unwritten(200)
      )
      GELU.forward(y.base, d.base, x.base, b.base, rows: 57, width: 200, pool)
      GELU.backward(dx.base, db.base, dy.base, d.base, rows: .one(57), width: 200, pool)
      return [y, d, dx, db]
    }
  }

  @Test("Tanh and its gradient match double precision", arguments: [0, 1, 9, 384])
  func tanhLayer(count: Int) {
    let (x, dy) = (random(count, "x"), random(count, "dy"))
    let (y, dx) = (unwritten(count), unwritten(count))
    Tanh.forward(y.base, x.base, count: count)
    expectClose("y", y, x.doubles.map(Foundation.tanh), absolute: 1e-30, relative: 3e-7)
    Tanh.backward(dx.base, dy.base, y.base, count: count)
    let slope = x.doubles.map { 1 / pow(Foundation.cosh($0), 2) }
    expectClose("dx", dx, zip(dy.doubles, slope).map { $0 * $1 }, absolute: 1e-6)
    Tanh.backward(y.base, dy.base, y.base, count: count)
    #expect(y.bits == dx.bits)
  }
}
