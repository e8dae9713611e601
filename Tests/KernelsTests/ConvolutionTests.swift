// Shapes are named by the letters of the kernels.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import Testing

@testable import Kernels

@Suite struct ConvolutionTests {
  @Test(
    "a convolution is the sum over its window, forward and backward", arguments: [1, 3, 4], [1, 10])
  func oracle(K: Int, I: Int) {
    let (T, O) = (9, 7)
    let pool = ThreadPool(threads: 2)
    let (windows, w, dy) = (random(T * K * I, "x"), random(O * I * K, "w"), random(T * O, "dy"))
    let (y, arranged) = (unwritten(T * O), unwritten(O * K * I))
    Convolution.forward(
      y.base, windows.base, w.base, arranged: arranged.base, rows: T, inputs: I, outputs: O,
      kernel: K, pool)
    let (x, weights, d) = (windows.doubles, w.doubles, dy.doubles)
    // As PyTorch defines it: w[o][i][k] weighs channel i of the window's position k.
    var (expected, dx) = ([Double](repeating: 0, count: T * O), x.map { _ in 0.0 })
    var dw = weights.map { _ in 0.0 }
    for t in 0..<T {
      for o in 0..<O {
        for k in 0..<K {
          for i in 0..<I {
            let (at, weight) = ((t * K + k) * I + i, (o * I + i) * K + k)
            expected[t * O + o] += x[at] * weights[weight]
            dx[at] += d[t * O + o] * weights[weight]
            dw[weight] += d[t * O + o] * x[at]
          }
        }
      }
    }
    expectClose("y", y, expected)
    let (dwindows, dweights, scratch) = (
      unwritten(T * K * I), unwritten(O * I * K), unwritten(O * K * I)
    )
    Convolution.backward(
      dwindows.base, dweights.base, dy.base, windows.base, arranged: arranged.base,
      darranged: scratch.base, rows: Parts(bounds: [0, 4, T]), inputs: I, outputs: O, kernel: K,
      pool)
    expectClose("dwindows", dwindows, dx)
    expectClose("dw", dweights, dw)
  }

  private static let lengths = [4, 16, 8, 4]

  /// The sequence, character and molecule of each place of each window; nil beyond a sequence.
  private func seen(_ lengths: [Int], rate R: Int, window K: Int) -> [(t: Int, m: Int)?] {
    var start = 0
    return lengths.flatMap { n -> [(t: Int, m: Int)?] in
      defer { start += n }
      // Hugging Face: all molecules but the first R times each, then the last one R times more.
      let molecules = n / R
      let repeated = (1..<molecules + 1).flatMap {
        [Int](repeating: min($0, molecules - 1), count: R)
      }
      return (0..<n).flatMap { t in
        (0..<K).map { k in
          let at = t + k - (K - 1) / 2
          return 0..<n ~= at ? (start + at, start / R + repeated[at]) : nil
        }
      }
    }
  }

  @Test("characters see their windows with molecules repeated, and nothing of other sequences")
  func upsampling() {
    for (R, K) in [(4, 4), (4, 1), (2, 5), (1, 2), (4, 3)] {
      let (T, H) = (Self.lengths.reduce(0, +), 9)
      let M = T / R
      let bounds = Packing(lengths: Self.lengths, rows: [0, 1, 2, 3]).cumulativeLengths
      let seen = seen(Self.lengths, rate: R, window: K)
      let (characters, molecules) = (random(T * H, "c"), random(M * H, "m"))
      let dwindows = random(T * K * 2 * H, "d")
      expectSameBitsOnAnyThreads { pool in
        bounds.withUnsafeBufferPointer { bounds in
          let windows = unwritten(T * K * 2 * H)
          let (dcharacters, dmolecules) = (unwritten(T * H), unwritten(M * H))
          let kernel = Upsampling(cumulativeLengths: bounds, rate: R, window: K, width: H)
          kernel.forward(windows.base, characters.base, molecules.base, pool)
          kernel.backward(dcharacters.base, dmolecules.base, dwindows.base, pool)
          return [windows, dcharacters, dmolecules]
        }
      }
      bounds.withUnsafeBufferPointer { bounds in
        let pool = ThreadPool(threads: 2)
        let windows = unwritten(T * K * 2 * H)
        let (dcharacters, dmolecules) = (unwritten(T * H), unwritten(M * H))
        let kernel = Upsampling(cumulativeLengths: bounds, rate: R, window: K, width: H)
        kernel.forward(windows.base, characters.base, molecules.base, pool)
        kernel.backward(dcharacters.base, dmolecules.base, dwindows.base, pool)
        let (c, m, d) = (characters.doubles, molecules.doubles, dwindows.doubles)
        var expected: [Double] = []
        var (dc, dm) = (c.map { _ in 0.0 }, m.map { _ in 0.0 })
        for (window, place) in seen.enumerated() {
          for column in 0..<2 * H {
            let isMolecule = column >= H
            guard let place else {
              expected.append(0)
              continue
            }
            let at = (isMolecule ? place.m : place.t) * H + column % H
            expected.append(isMolecule ? m[at] : c[at])
            if isMolecule {
              dm[at] += d[window * 2 * H + column]
            } else {
              dc[at] += d[window * 2 * H + column]
            }
          }
        }
        expectClose("windows", windows, expected)
        expectClose("dcharacters", dcharacters, dc)
        expectClose("dmolecules", dmolecules, dm)
      }
    }
  }
}
