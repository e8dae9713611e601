// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Foundation
import Testing

@testable import Kernels

/// Attention in double precision, sequence by sequence and head by head.
private struct AttentionOracle {
  var context: [Double]
  var probabilities: [Double] = []
  var dqkv: [Double]

  init(
    _ qkv: [Double], _ dcontext: [Double], _ packing: Packing, heads N: Int, headWidth D: Int,
    mask: (_ row: UInt32, _ n: Int, _ h: Int, _ i: Int, _ j: Int) -> Double
  ) {
    let H = N * D
    context = Array(repeating: 0, count: packing.tokens * H)
    dqkv = Array(repeating: 0, count: packing.tokens * 3 * H)
    let scale = 1 / Double(D).squareRoot()
    for (s, n) in packing.lengths.enumerated() {
      let start = Int(packing.cumulativeLengths[s])
      for h in 0..<N {
        func at(_ t: Int, _ part: Int, _ d: Int) -> Int {
          (start + t) * 3 * H + part * H + h * D + d
        }
        func dot(_ i: Int, _ f: (Int) -> Double) -> Double { (0..<D).reduce(0) { $0 + f($1) } }
        for i in 0..<n {
          let scores = (0..<n).map { j in
            scale * dot(i) { qkv[at(i, 0, $0)] * qkv[at(j, 1, $0)] }
          }
          let largest = scores.max() ?? 0
          let powers = scores.map { exp($0 - largest) }
          let p = powers.map { $0 / powers.reduce(0, +) }
          probabilities += p
          let factors = (0..<n).map { mask(packing.sequenceRows[s], n, h, i, $0) }
          let out = (start + i) * H + h * D
          var dp = [Double](repeating: 0, count: n)
          for j in 0..<n {
            for d in 0..<D {
              context[out + d] += p[j] * factors[j] * qkv[at(j, 2, d)]
              dqkv[at(j, 2, d)] += p[j] * factors[j] * dcontext[out + d]
              dp[j] += dcontext[out + d] * qkv[at(j, 2, d)] * factors[j]
            }
          }
          let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
          for j in 0..<n {
            let ds = scale * p[j] * (dp[j] - mean)
            for d in 0..<D {
              dqkv[at(i, 0, d)] += ds * qkv[at(j, 1, d)]
              dqkv[at(j, 1, d)] += ds * qkv[at(i, 0, d)]
            }
          }
        }
      }
    }
  }
}

@Suite struct AttentionTests {
  struct Case: CustomTestStringConvertible {
    let lengths: [Int]
    let heads, width: Int
    let probability: Float
    var testDescription: String { "\(lengths), \(heads) heads of \(width), dropout \(probability)" }
  }

  static let cases = [
    Case(lengths: [], heads: 2, width: 4, probability: 0),
    Case(lengths: [0], heads: 1, width: 4, probability: 0.5),
    Case(lengths: [1], heads: 1, width: 1, probability: 0),
    Case(lengths: [1, 0, 7, 1], heads: 3, width: 5, probability: 0.3),
    Case(lengths: [27, 6, 33], heads: 2, width: 32, probability: 0),
    Case(lengths: [13, 40, 16, 24], heads: 2, width: 16, probability: 0.1),
    Case(lengths: [9, 3], heads: 2, width: 130, probability: 0.2),
    Case(lengths: [150], heads: 1, width: 24, probability: 0.1),
  ]

  /// context, probabilities and dqkv of one case.
  private func run(
    _ packing: Packing, _ qkv: Arena, _ dcontext: Arena, heads: Int, width: Int, _ key: DropoutKey,
    _ pool: ThreadPool
  ) -> [Arena] {
    let T = packing.tokens
    return packing.cumulativeLengths.withUnsafeBufferPointer { lengths in
      let scratch = unwritten(
        Attention.scratchCount(longest: packing.lengths.max() ?? 0, threads: pool.threads))
      let context = unwritten(T * heads * width)
      let dqkv = unwritten(T * 3 * heads * width)
      let probabilities = unwritten(
        Attention.probabilityCount(cumulativeLengths: lengths, heads: heads))
      Attention.forward(
        context.base, probabilities.base, qkv.base, scratch.base, cumulativeLengths: lengths,
        sequenceRows: packing.sequenceRows, heads: heads, headWidth: width, key, pool)
      Attention.backward(
        dqkv.base, dcontext.base, probabilities.base, qkv.base, scratch.base,
        cumulativeLengths: lengths, sequenceRows: packing.sequenceRows, heads: heads,
        headWidth: width, key, pool)
      return [context, probabilities, dqkv]
    }
  }

  @Test("Attention matches double precision, forward and backward", arguments: cases)
  func oracle(_ test: Case) {
    let (N, D) = (test.heads, test.width)
    let packing = Packing(
      lengths: test.lengths, rows: test.lengths.indices.map { UInt32(100 + 3 * $0) })
    let key = DropoutKey(seed: 77, step: 4, site: 2, probability: test.probability)
    let qkv = random(packing.tokens * 3 * N * D, "qkv")
    let dcontext = random(packing.tokens * N * D, "dcontext")
    let found = run(
      packing, qkv, dcontext, heads: N, width: D, key, ThreadPool(threads: 2))
    let expected = AttentionOracle(
      qkv.doubles, dcontext.doubles, packing, heads: N, headWidth: D
    ) { row, n, h, i, j in
      test.probability == 0
        ? 1
        : maskFactor(
          seed: 77, step: 4, site: 2, probability: test.probability, row: row,
          block: (h * n + i) * ((n + 3) / 4) + j / 4, word: j % 4)
    }
    expectClose("context", found[0], expected.context, absolute: 5e-6)
    // The oracle goes head by head within a sequence, as the buffer does.
    expectClose("probabilities", found[1], expected.probabilities, absolute: 2e-6)
    expectClose("dqkv", found[2], expected.dqkv, absolute: 2e-5)
  }

  @Test("Scores of any size give probabilities, without overflow")
  func largeScores() {
    let packing = Packing(lengths: [5], rows: [0])
    let key = DropoutKey(seed: 0, step: 0, site: 0, probability: 0)
    let qkv = random(5 * 3 * 8, "qkv", 200)
    let dcontext = random(5 * 8, "dcontext")
    let found = run(packing, qkv, dcontext, heads: 1, width: 8, key, ThreadPool(threads: 1))
    for i in 0..<5 {
      let sum = found[1].doubles[i * 5..<(i + 1) * 5].reduce(0, +)
      #expect(abs(sum - 1) < 1e-6)
    }
    let finite = found[2].doubles.allSatisfy { $0.isFinite }
    #expect(finite)
  }

  @Test("A sequence's result depends neither on its neighbours nor on the threads")
  func independence() {
    let (N, D, H) = (2, 24, 48)
    let key = DropoutKey(seed: 1, step: 1, site: 1, probability: 0.1)
    let whole = Packing(lengths: [19, 31, 8], rows: [5, 6, 7])
    let qkv = random(whole.tokens * 3 * H, "qkv")
    let dcontext = random(whole.tokens * H, "dcontext")
    expectSameBitsOnAnyThreads { pool in
      run(whole, qkv, dcontext, heads: N, width: D, key, pool)
    }
    let together = run(whole, qkv, dcontext, heads: N, width: D, key, ThreadPool(threads: 2))
    let alone = Packing(lengths: [31], rows: [6])
    let (ownInput, ownGradient) = (Arena(count: 31 * 3 * H), Arena(count: 31 * H))
    ownInput.base.update(from: qkv.from(19 * 3 * H), count: ownInput.count)
    ownGradient.base.update(from: dcontext.from(19 * H), count: ownGradient.count)
    let own = run(
      alone, ownInput, ownGradient, heads: N, width: D, key, ThreadPool(threads: 1))
    #expect(own[0].bits == Array(together[0].bits[19 * H..<50 * H]))
    #expect(own[2].bits == Array(together[2].bits[19 * 3 * H..<50 * 3 * H]))
  }

  @Test("a sequence of padding alone looks at all of it alike, and gradients pass")
  func paddingAlone() {
    let (N, D, n) = (2, 8, 6)
    let (qkv, dcontext) = (random(n * 3 * N * D, "qkv"), random(n * N * D, "dcontext"))
    let key = DropoutKey(seed: 0, step: 0, site: 0, probability: 0)
    let pool = ThreadPool(threads: 1)
    let scratch = unwritten(Attention.scratchCount(longest: n, threads: 1))
    let (context, p) = (unwritten(n * N * D), unwritten(N * n * n))
    let dqkv = unwritten(n * 3 * N * D)
    [Int32(0), Int32(n)].withUnsafeBufferPointer { bounds in
      Attention.forward(
        context.base, p.base, qkv.base, scratch.base, cumulativeLengths: bounds,
        sequenceRows: [0], keyCounts: [0], heads: N, headWidth: D, key, pool)
      Attention.backward(
        dqkv.base, dcontext.base, p.base, qkv.base, scratch.base, cumulativeLengths: bounds,
        sequenceRows: [0], heads: N, headWidth: D, key, pool)
    }
    expectClose("probabilities", p, [Double](repeating: 1 / 6, count: N * n * n))
    let values = qkv.doubles
    expectClose(
      "context", context,
      (0..<n * N * D).map { index in
        (0..<n).reduce(0) { $0 + values[$1 * 3 * N * D + 2 * N * D + index % (N * D)] / 6 }
      })
    // Autograd adds the mask to the scores, and an addition passes the gradient on.
    #expect(dqkv.doubles.allSatisfy { $0.isFinite && $0 != 0 })
  }

  @Test("dropout of a sequence's pieces is keyed from where each begins")
  func firstCounters() {
    let (D, n) = (8, 8)
    let one = random(n * 3 * D, "qkv")
    let qkv = Arena(count: 2 * one.count)
    for piece in 0..<2 { qkv.from(piece * one.count).update(from: one.base, count: one.count) }
    let key = DropoutKey(seed: 5, step: 1, site: 3, probability: 0.3)
    let pool = ThreadPool(threads: 2)
    let scratch = unwritten(Attention.scratchCount(longest: n, threads: 2))
    let p = unwritten(2 * n * n)
    func context(_ counters: [UInt32]) -> [[UInt32]] {
      let context = unwritten(2 * n * D)
      [Int32(0), Int32(n), Int32(2 * n)].withUnsafeBufferPointer { bounds in
        Attention.forward(
          context.base, p.base, qkv.base, scratch.base, cumulativeLengths: bounds,
          sequenceRows: [9, 9], firstCounters: counters, heads: 1, headWidth: D, key, pool)
      }
      return [Array(context.bits[..<(n * D)]), Array(context.bits[(n * D)...])]
    }
    let (same, apart) = (context([0, 0]), context([0, 16]))
    #expect(same[0] == same[1])
    #expect(apart[0] == same[0])
    #expect(apart[1] != same[1])
  }
}
