// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Foundation
import Testing

@testable import Kernels

@Suite struct RelativeAttentionTests {
  struct Case: CustomTestStringConvertible {
    let lengths: [Int]
    let parts: [Int]
    let heads, width: Int
    /// Half the rows of positions.
    let span: Int
    var interleaved = false
    var keys = true
    var queries = true
    var keyCounts: [Int32]?
    var probability: Float = 0

    var testDescription: String {
      "\(lengths) in \(parts), \(heads) heads of \(width), span \(span), "
        + "\(interleaved ? "interleaved, " : "")\(keys ? "keys, " : "")"
        + "\(queries ? "queries, " : "")\(keyCounts.map { "\($0) real, " } ?? "")"
        + "dropout \(probability)"
    }

    var packing: Packing {
      Packing(lengths: lengths, rows: lengths.indices.map { UInt32(100 + 3 * $0) })
    }
    /// The row of a distance: near ones have their own.
    func row(_ distance: Int) -> Int { min(max(distance + span, 0), 2 * span - 1) }
    var reach: Int { lengths.max() ?? 0 }
    var rowCount: Int { 2 * span }
  }

  static let cases = [
    Case(lengths: [], parts: [0, 0], heads: 2, width: 4, span: 3),
    Case(lengths: [0], parts: [0, 1], heads: 1, width: 4, span: 3, probability: 0.5),
    Case(lengths: [1], parts: [0, 1], heads: 1, width: 1, span: 1),
    Case(
      lengths: [1, 0, 7, 1], parts: [0, 0, 2, 4, 4], heads: 3, width: 5, span: 4,
      probability: 0.3),
    Case(
      lengths: [27, 6, 33], parts: [0, 1, 3], heads: 2, width: 32, span: 40, interleaved: true),
    Case(
      lengths: [13, 40, 16, 24], parts: [0, 4], heads: 2, width: 16, span: 9, interleaved: true,
      probability: 0.1),
    Case(lengths: [9, 3], parts: [0, 1, 2], heads: 2, width: 130, span: 20, probability: 0.2),
    Case(lengths: [150], parts: [0, 1], heads: 1, width: 24, span: 64, probability: 0.1),
    Case(lengths: [20, 12], parts: [0, 2], heads: 2, width: 8, span: 30, queries: false),
    Case(lengths: [20, 12], parts: [0, 2], heads: 2, width: 8, span: 30, keys: false),
    Case(
      lengths: [20, 12, 9], parts: [0, 2, 3], heads: 2, width: 8, span: 10,
      keyCounts: [11, 12, 1], probability: 0.2),
  ]

  /// Inputs, and what the kernel makes of them.
  private struct Run {
    let context, probabilities, dqkv, dkeys, dqueries: Arena
  }

  private struct Inputs {
    let qkv, dcontext, keys, queries: Arena

    init(_ test: Case) {
      let (T, H) = (test.packing.tokens, test.heads * test.width)
      qkv = random(T * 3 * H, "qkv", 0.7)
      dcontext = random(T * H, "dcontext")
      keys = random(test.rowCount * H, "keys", 0.7)
      queries = random(test.rowCount * H, "queries", 0.7)
    }
  }

  private static func key(_ probability: Float) -> DropoutKey {
    DropoutKey(seed: 77, step: 4, site: 2, probability: probability)
  }

  private func run(_ test: Case, _ inputs: Inputs, _ pool: ThreadPool) -> Run {
    let (N, D, T) = (test.heads, test.width, test.packing.tokens)
    let (H, key, packing) = (N * D, Self.key(test.probability), test.packing)
    let rows = (1 - test.reach..<max(test.reach, 1)).map { Int32(test.row($0)) } + [0]
    let parts = Parts(bounds: test.parts).enumerated().map { part, sequences in
      PositionPart(
        sequences: sequences, tokenShift: 0, rows: 0..<test.rowCount,
        gradientRow: part * test.rowCount)
    }
    let scratch = unwritten(
      RelativeAttention.scratchCount(
        longest: test.reach, heads: N, headWidth: D, threads: pool.threads))
    let squares = test.lengths.reduce(0) { $0 + $1 * $1 }
    let result = Run(
      context: unwritten(T * H), probabilities: unwritten(N * squares), dqkv: unwritten(T * 3 * H),
      dkeys: unwritten(parts.count * test.rowCount * H),
      dqueries: unwritten(parts.count * test.rowCount * H))
    let counts = test.keyCounts ?? test.lengths.map { Int32($0) }
    packing.cumulativeLengths.withUnsafeBufferPointer { bounds in
      rows.withUnsafeBufferPointer { rows in
        counts.withUnsafeBufferPointer { counts in
          guard let base = rows.baseAddress else { return }
          let attention = RelativeAttention(
            heads: N, headWidth: D, interleaved: test.interleaved, scale: Self.scale(test),
            positions: RelativePositions(rows: base, reach: test.reach),
            cumulativeLengths: bounds, sequenceRows: packing.sequenceRows,
            keyCounts: test.keyCounts == nil ? nil : counts.baseAddress)
          func vectors(_ arena: Arena, _ isUsed: Bool) -> PositionVectors? {
            isUsed ? PositionVectors(values: arena.base, stride: H, firstRow: 0) : nil
          }
          func gradients(_ arena: Arena, _ isUsed: Bool) -> PositionGradients? {
            isUsed ? PositionGradients(values: arena.base, stride: H) : nil
          }
          let keys = vectors(inputs.keys, test.keys)
          let queries = vectors(inputs.queries, test.queries)
          attention.forward(
            result.context.base, result.probabilities.base, inputs.qkv.base, keys: keys,
            queries: queries, scratch.base, key, pool)
          attention.backward(
            result.dqkv.base, dkeys: gradients(result.dkeys, test.keys),
            dqueries: gradients(result.dqueries, test.queries), inputs.dcontext.base,
            result.probabilities.base, inputs.qkv.base, keys: keys, queries: queries, parts: parts,
            scratch.base, key, pool)
        }
      }
    }
    return result
  }

  private static func scale(_ test: Case) -> Float { 1 / Float(3 * test.width).squareRoot() }

  @Test("Relative attention matches double precision, forward and backward", arguments: cases)
  func oracle(_ test: Case) {
    let inputs = Inputs(test)
    let found = run(test, inputs, ThreadPool(threads: 2))
    let expected = RelativeOracle(
      test, scale: Double(Self.scale(test)), qkv: inputs.qkv.doubles,
      dcontext: inputs.dcontext.doubles, keys: inputs.keys.doubles,
      queries: inputs.queries.doubles)
    expectClose("context", found.context, expected.context, absolute: 5e-6)
    expectClose("probabilities", found.probabilities, expected.probabilities, absolute: 2e-6)
    expectClose("dqkv", found.dqkv, expected.dqkv, absolute: 2e-5)
    if test.keys { expectClose("dkeys", found.dkeys, expected.dkeys, absolute: 2e-5) }
    if test.queries { expectClose("dqueries", found.dqueries, expected.dqueries, absolute: 2e-5) }
  }

  @Test("Relative attention has the same bits on any threads", arguments: cases)
  func threadsChangeNothing(_ test: Case) {
    let inputs = Inputs(test)
    expectSameBitsOnAnyThreads { pool in
      let result = run(test, inputs, pool)
      return [result.context, result.probabilities, result.dqkv]
        + (test.keys ? [result.dkeys] : []) + (test.queries ? [result.dqueries] : [])
    }
  }

  @Test("A sequence's result does not depend on how long its neighbours are")
  func neighboursChangeNothing() {
    let (N, D, H) = (2, 24, 48)
    let whole = Case(
      lengths: [19, 31, 50], parts: [0, 3], heads: N, width: D, span: 16, probability: 0.1)
    let alone = Case(lengths: [19], parts: [0, 1], heads: N, width: D, span: 16, probability: 0.1)
    let inputs = Inputs(whole)
    let together = run(whole, inputs, ThreadPool(threads: 2))
    // Of the inputs the first sequence's are the first.
    let own = run(alone, inputs, ThreadPool(threads: 1))
    #expect(own.context.bits == Array(together.context.bits[..<(19 * H)]))
    #expect(own.dqkv.bits == Array(together.dqkv.bits[..<(19 * 3 * H)]))
  }
}

/// Relative attention in double precision, sequence by sequence and head by head.
private struct RelativeOracle {
  var context, dqkv, dkeys, dqueries: [Double]
  var probabilities: [Double] = []

  init(
    _ test: RelativeAttentionTests.Case, scale: Double, qkv: [Double], dcontext: [Double],
    keys: [Double], queries: [Double]
  ) {
    let (N, D, packing) = (test.heads, test.width, test.packing)
    let H = N * D
    let parts = Parts(bounds: test.parts)
    context = Array(repeating: 0, count: packing.tokens * H)
    dqkv = Array(repeating: 0, count: packing.tokens * 3 * H)
    dkeys = Array(repeating: 0, count: parts.count * test.rowCount * H)
    dqueries = dkeys
    for (s, n) in packing.lengths.enumerated() {
      let start = Int(packing.cumulativeLengths[s])
      let part = parts.firstIndex { $0.contains(s) } ?? 0
      let real = test.keyCounts.map { Int($0[s]) } ?? n
      for h in 0..<N {
        func at(_ t: Int, _ operand: Int, _ d: Int) -> Int {
          let column = test.interleaved ? (3 * h + operand) * D : operand * H + h * D
          return (start + t) * 3 * H + column + d
        }
        func position(_ i: Int, _ j: Int, _ d: Int) -> Int { test.row(i - j) * H + h * D + d }
        func score(_ i: Int, _ j: Int) -> Double {
          (0..<D).reduce(0) { sum, d in
            let (q, k) = (qkv[at(i, 0, d)], qkv[at(j, 1, d)])
            return sum + q * k + (test.keys ? q * keys[position(i, j, d)] : 0)
              + (test.queries ? k * queries[position(i, j, d)] : 0)
          }
        }
        for i in 0..<n {
          let scores = (0..<n).map { j in
            i >= real ? 0 : j < real ? scale * score(i, j) : -.infinity
          }
          let largest = scores.max() ?? 0
          let powers = scores.map { exp($0 - largest) }
          let p = powers.map { $0 / powers.reduce(0, +) }
          probabilities += p
          let out = (start + i) * H + h * D
          var dp = [Double](repeating: 0, count: n)
          for j in 0..<n {
            let factor =
              test.probability == 0
              ? 1
              : maskFactor(
                seed: 77, step: 4, site: 2, probability: test.probability,
                row: packing.sequenceRows[s], block: (h * n + i) * ((n + 3) / 4) + j / 4,
                word: j % 4)
            for d in 0..<D {
              context[out + d] += p[j] * factor * qkv[at(j, 2, d)]
              dqkv[at(j, 2, d)] += p[j] * factor * dcontext[out + d]
              dp[j] += dcontext[out + d] * qkv[at(j, 2, d)] * factor
            }
          }
          guard i < real else { continue }
          let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
          for j in 0..<n {
            let ds = scale * p[j] * (dp[j] - mean)
            for d in 0..<D {
              let (q, k, row) = (qkv[at(i, 0, d)], qkv[at(j, 1, d)], position(i, j, d))
              dqkv[at(i, 0, d)] += ds * (k + (test.keys ? keys[row] : 0))
              dqkv[at(j, 1, d)] += ds * (q + (test.queries ? queries[row] : 0))
              dkeys[part * test.rowCount * H + row] += ds * q
              dqueries[part * test.rowCount * H + row] += ds * k
            }
          }
        }
      }
    }
  }
}
