import Foundation
import Testing

@testable import Kernels

/// log Σ e^z - z[target] and its gradient, term by term in double precision; nothing without a target.
private func oracle(_ z: [Double], _ target: Int?, scale: Double) -> (loss: Double, dz: [Double]) {
  guard let target else { return (0, z.map { _ in 0 }) }
  let m = z.max() ?? 0
  let powers = z.map { Foundation.exp($0 - m) }
  let sum = powers.reduce(0, +)
  let dz = powers.enumerated().map { ($1 / sum - ($0 == target ? 1 : 0)) * scale }
  return (Foundation.log(sum) + m - z[target], dz)
}

/// Targets all over 0..<classes, every third of them ignored.
private func targets(_ rows: Int, classes: Int) -> [Int32] {
  (0..<rows).map { $0 % 3 == 1 ? CrossEntropy.ignoreIndex : Int32($0 * 7 % classes) }
}

/// Whether a sum is right to a relative 1e-12, or to what float powers leave.
private func isClose(_ sum: Double, _ expected: Double, _ tolerance: Double = 1e-12) -> Bool {
  abs(sum - expected) <= tolerance * max(1, abs(expected))
}

@Suite struct CrossEntropyTests {
  @Test(
    "Cross-entropy of rows and its gradient match double precision; ignored rows have none",
    arguments: [(0, 3), (1, 1), (1, 2), (5, 3), (33, 9)])
  func rows(rows: Int, classes: Int) {
    let z = random(rows * classes, "z", 3)
    let targets = targets(rows, classes: classes)
    let expected = (0..<rows).map { row in
      oracle(
        Array(z.doubles[row * classes..<(row + 1) * classes]),
        targets[row] < 0 ? nil : Int(targets[row]), scale: 0.125)
    }
    let dz = unwritten(rows * classes)
    let sum = CrossEntropy.forwardBackward(
      dz.base, z.base, targets, rows: rows, classes: classes, scale: 0.125)
    #expect(isClose(sum, expected.reduce(0) { $0 + $1.loss }))
    expectClose("dlogits", dz, expected.flatMap(\.dz), absolute: 1e-8, relative: 1e-7)
    #expect(CrossEntropy.labelledCount(targets, rows: rows) == targets.count { $0 >= 0 })

    let sumAlone = CrossEntropy.forwardBackward(
      nil, z.base, targets, rows: rows, classes: classes, scale: 1)
    #expect(sumAlone == sum)
    let aliased = z.copy
    _ = CrossEntropy.forwardBackward(
      aliased.base, aliased.base, targets, rows: rows, classes: classes, scale: 0.125)
    #expect(aliased.bits == dz.bits)
  }

  @Test("Extreme logits give finite losses and gradients of exact ones and zeros")
  func extremes() {
    let values: [Float] = [3e38, -3e38, 0, -3e38, 3e38, 200, -200, -200, -200]
    let (z, dz) = (Arena(count: 9), unwritten(9))
    z.base.update(from: values, count: 9)
    let sum = CrossEntropy.forwardBackward(
      dz.base, z.base, [0, 2, 0] as [Int32], rows: 3, classes: 3, scale: 1)
    let expected = Double(values[4]) - 200 + log(3)
    #expect(sum.isFinite && abs(sum - expected) <= 1e-12 * expected)
    expectClose("dlogits", dz, [0, 0, 0, 0, 1, -1, 1 / 3.0 - 1, 1 / 3.0, 1 / 3.0])
  }

  @Test("A NaN logit is not hidden by the shift")
  func notANumber() {
    let z = Arena(count: 3)
    z.base[1] = .nan
    #expect(
      CrossEntropy.forwardBackward(nil, z.base, [0], rows: 1, classes: 3, scale: 1).isNaN)
    let loss = VocabularyCrossEntropy.forwardBackward(
      z.base, [0], rows: 1, vocabulary: 3, scale: 1, ThreadPool(threads: 1))
    #expect(loss.isNaN)
  }
}

@Suite struct VocabularyCrossEntropyTests {
  private let pool = ThreadPool(threads: 2)

  @Test(
    "Logits become the gradient of double precision's cross-entropy",
    arguments: [(0, 7), (1, 1), (2, 7), (3, 1025), (5, 4099), (2, 30_522)])
  func oracleRows(rows: Int, vocabulary: Int) {
    let z = random(rows * vocabulary, "z", 3)
    let targets = targets(rows, classes: vocabulary)
    let numbers = z.doubles
    let expected = (0..<rows).map { row in
      oracle(
        Array(numbers[row * vocabulary..<(row + 1) * vocabulary]),
        targets[row] < 0 ? nil : Int(targets[row]), scale: 0.25)
    }
    let losses = UnsafeMutablePointer<Double>.allocate(capacity: rows)
    let predictions = UnsafeMutablePointer<Int32>.allocate(capacity: rows)
    defer {
      losses.deallocate()
      predictions.deallocate()
    }
    let before = z.bits
    VocabularyCrossEntropy.evaluate(
      losses, predictions, z.base, targets, rows: rows, vocabulary: vocabulary, pool)
    #expect(z.bits == before)
    for row in 0..<rows {
      let own = numbers[row * vocabulary..<(row + 1) * vocabulary]
      let largest = own.firstIndex(of: own.max() ?? 0).map { $0 - own.startIndex }
      #expect(Int(predictions[row]) == largest, "row \(row)")
      #expect(isClose(losses[row], expected[row].loss, 3e-7), "row \(row)")
    }
    let sum = VocabularyCrossEntropy.forwardBackward(
      z.base, targets, rows: rows, vocabulary: vocabulary, scale: 0.25, pool)
    #expect(sum == (0..<rows).reduce(0) { $0 + losses[$1] })
    expectClose("dlogits", z, expected.flatMap(\.dz), absolute: 1e-9, relative: 1e-6)
  }

  @Test("Extreme logits give finite losses and gradients of exact ones and zeros")
  func extremes() {
    let z = Arena(count: 30)
    z.base.update(repeating: -3e38, count: 30)
    z.base[4] = 3e38
    z.base[10 + 3] = 3e38
    for i in 20..<30 { z.base[i] = -200 }
    let sum = VocabularyCrossEntropy.forwardBackward(
      z.base, [4, 9, 0], rows: 3, vocabulary: 10, scale: 1, pool)
    #expect(sum.isFinite && isClose(sum, 2 * Double(Float(3e38)) + log(10), 1e-6))
    var expected = [Double](repeating: 0, count: 20) + [Double](repeating: 0.1, count: 10)
    expected[13] = 1
    expected[19] = -1
    expected[20] = -0.9
    expectClose("dlogits", z, expected, absolute: 1e-7)
  }

  @Test("The first of equally likely words is predicted")
  func tie() {
    let z = Arena(count: 40)
    z.base[17] = 2
    z.base[9] = 2
    z.base[39] = 2
    var (loss, word) = (0.0, Int32(-1))
    VocabularyCrossEntropy.evaluate(&loss, &word, z.base, [17], rows: 1, vocabulary: 40, pool)
    #expect(word == 9)
  }

  @Test("The bits of loss and gradient do not depend on the threads")
  func threads() {
    let (rows, vocabulary) = (13, 3001)
    let targets = targets(rows, classes: vocabulary)
    let logits = random(rows * vocabulary, "z", 3)
    expectSameBitsOnAnyThreads { pool in
      let (z, sum) = (logits.copy, Arena(count: 2))
      let loss = VocabularyCrossEntropy.forwardBackward(
        z.base, targets, rows: rows, vocabulary: vocabulary, scale: 0.1, pool)
      sum.base[0] = Float(bitPattern: UInt32(truncatingIfNeeded: loss.bitPattern))
      sum.base[1] = Float(bitPattern: UInt32(loss.bitPattern >> 32))
      return [z, sum]
    }
  }
}

@Suite struct SpanLossTests {
  @Test("Starts and ends are cross-entropies over each sequence's own tokens", arguments: 0...4)
  func oracleSpans(sequences: Int) {
    let lengths = [5, 1, 0, 12].prefix(sequences)
    let bounds = lengths.reduce(into: [Int32(0)]) { $0.append($0[$0.count - 1] + Int32($1)) }
    // Row 2 has no token, and the end of row 3 lies behind it.
    let targets = Array(([1, 4, 0, 0, 0, 0, 11, 12] as [Int32]).prefix(2 * sequences))
    let tokens = Int(bounds[bounds.count - 1])
    let z = random(2 * tokens, "z", 3)
    var expected = (loss: 0.0, dz: [Double](repeating: .nan, count: 2 * tokens), counted: 0)
    for (s, length) in lengths.enumerated() {
      for side in 0..<2 {
        let places = (0..<length).map { 2 * (Int(bounds[s]) + $0) + side }
        let target = Int(targets[2 * s + side])
        let row = oracle(
          places.map { z.doubles[$0] }, target < length ? target : nil, scale: 0.25)
        expected.loss += row.loss
        expected.counted += target < length ? 1 : 0
        for (place, d) in zip(places, row.dz) { expected.dz[place] = d }
      }
    }
    let dz = unwritten(2 * tokens)
    let sum = SpanLoss.forwardBackward(
      dz.base, z.base, targets, cumulativeLengths: bounds, sequences: sequences, scale: 0.25)
    #expect(isClose(sum, expected.loss))
    expectClose("dlogits", dz, expected.dz, absolute: 1e-8, relative: 1e-7)
    let counted = SpanLoss.labelledCount(
      targets, cumulativeLengths: bounds, sequences: sequences)
    #expect(counted == expected.counted)

    let aliased = z.copy
    let again = SpanLoss.forwardBackward(
      aliased.base, aliased.base, targets, cumulativeLengths: bounds, sequences: sequences,
      scale: 0.25)
    #expect(again == sum && aliased.bits == dz.bits)
  }

  @Test("A negative position is outside of its sequence")
  func negative() {
    let (z, dz) = (random(6, "z"), unwritten(6))
    let sum = SpanLoss.forwardBackward(
      dz.base, z.base, [-1, -100], cumulativeLengths: [0, 3], sequences: 1, scale: 1)
    #expect(sum == 0 && dz.doubles == [0, 0, 0, 0, 0, 0])
    #expect(SpanLoss.labelledCount([-1, -100], cumulativeLengths: [0, 3], sequences: 1) == 0)
  }
}
