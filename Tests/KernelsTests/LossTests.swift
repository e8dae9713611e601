import Foundation
import Testing

@testable import Kernels

@Suite struct LossTests {
  private func loss(_ z: Double, _ y: Double) -> Double {
    // Exact where the textbook form overflows or cancels.
    y * log1p(exp(-z)) + (1 - y) * (z + log1p(exp(-z)))
  }

  @Test("Binary cross-entropy and its gradient match double precision", arguments: [0, 1, 5, 88])
  func oracle(count: Int) {
    let z = random(count, "z", 3)
    let labels = Arena(count: count)
    for i in 0..<count { labels.base[i] = [0, 1, 0.25][i % 3] }
    let dz = unwritten(count)
    let sum = BCEWithLogits.forwardBackward(
      dz.base, z.base, labels.base, count: count, scale: 0.125)
    let expected = zip(z.doubles, labels.doubles).reduce(0) { $0 + loss($1.0, $1.1) }
    #expect(abs(sum - expected) <= 1e-12 * max(1, expected))
    // Central differences of the loss.
    let h = 1e-5
    let slopes = zip(z.doubles, labels.doubles).map {
      (loss($0 + h, $1) - loss($0 - h, $1)) / (2 * h) * 0.125
    }
    expectClose("dlogits", dz, slopes, absolute: 1e-8)
    #expect(
      BCEWithLogits.forwardBackward(nil, z.base, labels.base, count: count, scale: 1) == sum)
  }

  @Test("Logits of ±200 and beyond give finite losses and exact gradients")
  func stability() {
    let z = Arena(count: 6)
    let labels = Arena(count: 6)
    let values: [Float] = [200, -200, 200, -200, 3e38, -3e38]
    z.base.update(from: values, count: 6)
    for i in 2..<4 { labels.base[i] = 1 }
    labels.base[4] = 1
    let dz = unwritten(6)
    let sum = BCEWithLogits.forwardBackward(dz.base, z.base, labels.base, count: 6, scale: 1)
    #expect(abs(sum - 400) < 1e-9)
    let expected: [Double] = [1, 0, 0, -1, 0, 0]
    for (found, expected) in zip(dz.doubles, expected) {
      #expect(abs(found - expected) < 1e-30)
    }
    let p = unwritten(6)
    BCEWithLogits.sigmoid(p.base, z.base, count: 6)
    let probabilities = p.doubles
    #expect(probabilities[0] == 1 && probabilities[4] == 1 && probabilities[5] == 0)
    #expect(probabilities[1] < 1e-30)
  }

  @Test("A positive weight scales the positive term alone", arguments: [0, 1, 5, 11])
  func positiveWeight(labelCount: Int) {
    let (rows, count) = (3, 3 * labelCount)
    let (z, w) = (random(count, "z", 3), Arena(count: labelCount))
    let y = Arena(count: count)
    for i in 0..<count { y.base[i] = [1, 0, 0.25, 1][i % 4] }
    for label in 0..<labelCount { w.base[label] = [1, 7.5, 0, 0.25][label % 4] }
    func loss(_ i: Int, _ z: Double) -> Double {
      let (y, w) = (y.doubles[i], w.doubles[i % labelCount])
      return w * y * log1p(exp(-z)) + (1 - y) * (z + log1p(exp(-z)))
    }
    let dz = unwritten(count)
    let sum = BCEWithLogits.forwardBackward(
      dz.base, z.base, y.base, positiveWeights: w.base, rows: rows, labels: labelCount, scale: 0.5)
    let expected = (0..<count).reduce(0) { $0 + loss($1, z.doubles[$1]) }
    #expect(abs(sum - expected) <= 1e-12 * max(1, expected))
    let h = 1e-5
    let slopes = (0..<count).map { i in
      (loss(i, z.doubles[i] + h) - loss(i, z.doubles[i] - h)) / (2 * h) * 0.5
    }
    expectClose("dlogits", dz, slopes, absolute: 1e-8)
    let aliased = z.copy
    let again = BCEWithLogits.forwardBackward(
      aliased.base, aliased.base, y.base, positiveWeights: w.base, rows: rows, labels: labelCount,
      scale: 0.5)
    #expect(again == sum && aliased.bits == dz.bits)
  }

  @Test("Positive weights of 1 give the bits of no weights, at extreme logits too")
  func weightOne() {
    let z = random(24, "z", 4)
    for (i, value) in ([200, -200, 3e38, -3e38, 0, -0.0] as [Float]).enumerated() {
      z.base[i] = value
      z.base[i + 6] = value
    }
    let (y, w) = (Arena(count: 24), Arena(count: 4))
    for i in 0..<24 { y.base[i] = i < 6 || i > 17 ? 1 : 0 }
    for i in 0..<4 { w.base[i] = 1 }
    let (dz, weighted) = (unwritten(24), unwritten(24))
    let sum = BCEWithLogits.forwardBackward(dz.base, z.base, y.base, count: 24, scale: 0.1)
    let same = BCEWithLogits.forwardBackward(
      weighted.base, z.base, y.base, positiveWeights: w.base, rows: 6, labels: 4, scale: 0.1)
    #expect(sum == same && sum.isFinite)
    #expect(dz.bits == weighted.bits)
  }

  @Test("Squared error and its gradient match double precision", arguments: [0, 1, 7])
  func squaredError(count: Int) {
    let (p, y) = (random(count, "p", 2), random(count, "y"))
    if count > 2 { p.base[1] = 1e15 }
    let dp = unwritten(count)
    let sum = SquaredError.forwardBackward(dp.base, p.base, y.base, count: count, scale: 0.25)
    let errors = zip(p.doubles, y.doubles).map { $0 - $1 }
    #expect(sum == errors.reduce(0) { $0 + $1 * $1 })
    expectClose("dp", dp, errors.map { 2 * $0 * 0.25 }, absolute: 0, relative: 1e-7)
    #expect(SquaredError.forwardBackward(nil, p.base, y.base, count: count, scale: 1) == sum)
    let aliased = p.copy
    _ = SquaredError.forwardBackward(
      aliased.base, aliased.base, y.base, count: count, scale: 0.25)
    #expect(aliased.bits == dp.bits)
  }
}
