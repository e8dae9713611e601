import Foundation
import Testing

@testable import Kernels

@Suite struct AdamWTests {
  @Test("Six steps follow torch.optim.AdamW", arguments: [0, 1, 13, 40_001])
  func sixSteps(count: Int) {
    let p = random(count, "p")
    let (m, v) = (Arena(count: count), Arena(count: count))
    let pool = ThreadPool(threads: 2)
    let (rate, decay) = (1e-3, 0.1)
    var (ep, em, ev) = (p.doubles, m.doubles, v.doubles)
    for step in 1...6 {
      let g = random(count, "g\(step)", step == 3 ? 1e-7 : 1)
      let before = g.bits
      AdamW().update(
        p.base, m.base, v.base, g.base, count: count, step: step, learningRate: rate,
        weightDecay: decay, gradientScale: 0.5, pool)
      #expect(g.bits == before)
      let (c1, c2) = (1 - pow(0.9, Double(step)), 1 - pow(0.999, Double(step)))
      let gradient = g.doubles
      for i in 0..<count {
        let d = gradient[i] * 0.5
        ep[i] *= 1 - rate * decay
        em[i] = 0.9 * em[i] + 0.1 * d
        ev[i] = 0.999 * ev[i] + 0.001 * d * d
        ep[i] -= rate / c1 * em[i] / (ev[i].squareRoot() / c2.squareRoot() + 1e-8)
      }
      expectClose("p after step \(step)", p, ep, absolute: 1e-8, relative: 1e-6)
      expectClose("m after step \(step)", m, em, absolute: 1e-7, relative: 1e-6)
      expectClose("v after step \(step)", v, ev, absolute: 1e-12, relative: 1e-6)
    }
  }

  @Test("A parameter without gradient moves by decay alone, and not at all without decay")
  func zeroGradient() {
    let p = random(20, "p")
    let (m, v, g) = (Arena(count: 20), Arena(count: 20), Arena(count: 20))
    let before = p.copy
    AdamW().update(
      p.base, m.base, v.base, g.base, count: 20, step: 1, learningRate: 0.1, weightDecay: 0,
      gradientScale: 1, ThreadPool(threads: 1))
    #expect(p.bits == before.bits)
    AdamW().update(
      p.base, m.base, v.base, g.base, count: 20, step: 2, learningRate: 0.1, weightDecay: 0.5,
      gradientScale: 1, ThreadPool(threads: 1))
    let decayed = (0..<20).map { (before.base[$0] * 0.95).bitPattern }
    #expect(p.bits == decayed)
  }

  @Test("Bits do not depend on the threads")
  func threads() {
    let count = 100_003
    let (start, g) = (random(count, "p"), random(count, "g"))
    expectSameBitsOnAnyThreads { pool in
      let (p, m, v) = (start.copy, Arena(count: count), Arena(count: count))
      for step in 1...2 {
        AdamW().update(
          p.base, m.base, v.base, g.base, count: count, step: step, learningRate: 1e-3,
          weightDecay: 0.01, gradientScale: 0.7, pool)
      }
      return [p, m, v]
    }
  }
}

@Suite struct ReductionTests {
  static let counts = [0, 1, 7, 1024, 4097, 300_001]

  @Test("The sums of squares match double precision on any number of threads", arguments: counts)
  func squareSums(count: Int) {
    let x = random(count, "x")
    let block = Reduction.squareBlock
    let starts = Array(stride(from: 0, to: count, by: block))
    let sums = [1, 2, 3, 5].map { threads in
      let pool = ThreadPool(threads: threads)
      return [Double](unsafeUninitializedCapacity: starts.count + 1) { sums, used in
        sums[starts.count] = -1
        if let base = sums.baseAddress {
          Reduction.squareSums(base, x.base, count: count, pool)
        }
        used = starts.count + 1
      }
    }
    #expect(Set(sums).count == 1)
    #expect(sums[0].last == -1, "written past the last block")
    for (index, start) in starts.enumerated() {
      let expected = x.doubles[start..<min(start + block, count)].reduce(0) { $0 + $1 * $1 }
      #expect(abs(sums[0][index] - expected) <= 1e-7 * expected, "block \(index)")
    }
  }

  @Test("Sums and zeros reach every element and no other", arguments: counts)
  func addAndZero(count: Int) {
    let pool = ThreadPool(threads: 3)
    let (x, y) = (random(count + 1, "x"), random(count + 1, "y"))
    let expected = zip(x.doubles, y.doubles).map { Double(Float($0 + $1)) }
    let last = y.bits[count]
    Reduction.add(y.base, x.base, count: count, pool)
    #expect(Array(y.doubles[..<count]) == Array(expected[..<count]))
    Reduction.zero(y.base, count: count, pool)
    #expect(y.bits.dropLast().allSatisfy { $0 == 0 } && y.bits[count] == last)
  }

  @Test(
    "A tree sum adds pairs, then pairs of pairs, also into one of its buffers", arguments: counts)
  func treeSum(count: Int) {
    for buffers in [1, 2, 4, 8] {
      let x = (0..<buffers).map { random(count, "x\($0)") }
      var expected = x.map { (x) in (0..<count).map { x.base[$0] } }
      while expected.count > 1 {
        expected = stride(from: 0, to: expected.count, by: 2).map { index in
          zip(expected[index], expected[index + 1]).map { $0 + $1 }
        }
      }
      for (threads, target) in [(1, 0), (3, buffers - 1), (2, buffers / 2)] {
        let y = x.map(\.copy)
        Reduction.treeSum(
          y[target].base, y.map { Floats($0.base) }, count: count, ThreadPool(threads: threads))
        #expect((0..<count).map { y[target].base[$0] } == expected[0], "\(buffers) buffers")
        for other in 0..<buffers where other != target { #expect(y[other].bits == x[other].bits) }
      }
    }
  }

  @Test("The first infinity or NaN is found wherever it stands", arguments: [1, 9, 1024, 5000])
  func firstNonFinite(count: Int) {
    let x = random(count, "x", 1e37)
    #expect(Reduction.firstNonFinite(x.base, count: count) == nil)
    #expect(Reduction.firstNonFinite(x.base, count: 0) == nil)
    for place in Set([0, count / 2, count - 1]) {
      for value in [Float.nan, .infinity, -.infinity] {
        let y = x.copy
        y.base[place] = value
        y.base[count - 1] = .nan
        #expect(Reduction.firstNonFinite(y.base, count: count) == place)
      }
    }
  }
}
