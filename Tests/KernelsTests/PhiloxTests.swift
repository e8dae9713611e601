import Testing

@testable import Kernels

@Suite struct PhiloxTests {
  @Test("Philox4x32-10 gives the known answers of Random123")
  func knownAnswers() {
    // tests/kat_vectors of Random123.
    #expect(
      Philox4x32.block(counter: SIMD4(0, 0, 0, 0), key: SIMD2(0, 0))
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      Philox4x32.block(
        counter: SIMD4(repeating: 0xffff_ffff), key: SIMD2(repeating: 0xffff_ffff))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox4x32.block(
        counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test("Eight counters at a time give the words of each alone")
  func eightCounters() {
    for first in [0, 1, 1000, 0xffff_fff8] as [UInt32] {
      let counter = SIMD4<UInt32>(first, 0x85a3_08d3, 0xffff_ffff, 17)
      let key = SIMD2<UInt32>(0xffff_fff0, 0x299f_31d0)
      let words = Philox4x32.blocks(counter: counter, key: key)
      let together = [words.0, words.1, words.2, words.3].flatMap { v in (0..<8).map { v[$0] } }
      let alone = (0..<8).flatMap { k in
        let block = Philox4x32.block(
          counter: SIMD4(first + UInt32(k), counter.y, counter.z, counter.w), key: key)
        return (0..<4).map { block[$0] }
      }
      #expect(together == alone)
    }
  }

  @Test("Initial weights are normal, keyed by seed and name, and a prefix of a longer tensor's")
  func normal() {
    let count = 100_001
    let x = random(count, "encoder.layer.0.weight", 0.02).doubles
    let mean = x.reduce(0, +) / Double(count)
    let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    let fourth = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) * ($1 - mean) * ($1 - mean) }
    let kurtosis = fourth / Double(count) / (variance * variance)
    #expect(abs(mean) < 0.08 / Double(count).squareRoot())
    #expect(abs(variance.squareRoot() - 0.02) < 0.0002)
    #expect(abs(kurtosis - 3) < 0.1)
    for length in [0, 1, 2, 3, 5] {
      #expect(random(length, "encoder.layer.0.weight", 0.02).doubles == Array(x[..<length]))
    }
    #expect(random(8, "encoder.layer.1.weight", 0.02).doubles != Array(x[..<8]))
    let other = Arena(count: 8)
    Philox4x32.normal(
      into: other.base, count: 8, seed: 8, name: "encoder.layer.0.weight", standardDeviation: 0.02)
    #expect(other.doubles != Array(x[..<8]))
  }

  @Test("A stream is a function of seed and epoch")
  func stream() {
    func first(_ seed: UInt64, _ epoch: UInt64) -> [UInt64] {
      var stream = PhiloxStream(seed: seed, epoch: epoch)
      return (0..<10).map { _ in stream.next() }
    }
    #expect(first(42, 3) == first(42, 3))
    #expect(first(42, 3) != first(42, 4))
    #expect(first(43, 3) != first(42, 3))
    #expect(first(42, 3) != first(42, 3 + (1 << 32)))
  }

  @Test("Every bit of a stream is set about half of the time")
  func streamBits() {
    var stream = PhiloxStream(seed: 1, epoch: 0)
    var counts = [Int](repeating: 0, count: 64)
    for _ in 0..<10_000 {
      let word = stream.next()
      for bit in 0..<64 where word >> bit & 1 == 1 { counts[bit] += 1 }
    }
    // Five standard deviations of 10,000 fair draws.
    #expect(counts.allSatisfy { abs($0 - 5000) < 250 })
  }
}

@Suite struct DropoutTests {
  private let seed: UInt64 = 0x1234_5678_9abc_def0
  private let packing = Packing(lengths: [3, 1, 0, 5], rows: [9, 2, 77, 4_000_000_000])

  @Test("The mask is the documented counter's word", arguments: [0, 1, 3, 31, 32, 33, 100, 384])
  func maskIsDocumented(width: Int) {
    let key = DropoutKey(seed: seed, step: 5, site: 12, probability: 0.3)
    let x = random(packing.tokens * width, "x")
    let y = unwritten(x.count)
    packing.withCoordinates { at in
      Dropout.apply(
        y.base, x.base, key, at, rows: packing.tokens, width: width, ThreadPool(threads: 2))
    }
    var expected: [Double] = []
    for t in 0..<packing.tokens {
      for c in 0..<width {
        let factor = maskFactor(
          seed: seed, step: 5, site: 12, probability: 0.3, row: packing.rows[t],
          block: Int(packing.positions[t]) * ((width + 3) / 4) + c / 4, word: c % 4)
        expected.append(Double(x.base[t * width + c]) * factor)
      }
    }
    expectClose("y", y, expected, absolute: 1e-30, relative: 2e-7)
  }

  @Test("About the given part of all elements is dropped and the mean is kept")
  func keepRate() {
    let (rows, width) = (200, 500)
    let many = Packing(lengths: [rows], rows: [3])
    let x = Arena(count: rows * width)
    x.base.update(repeating: 1, count: x.count)
    for probability in [0.1, 0.5, 0.9] as [Float] {
      let y = unwritten(x.count)
      let key = DropoutKey(seed: 1, step: 1, site: 0, probability: probability)
      many.withCoordinates { at in
        Dropout.apply(y.base, x.base, key, at, rows: rows, width: width, ThreadPool(threads: 1))
      }
      let dropped = Double(y.doubles.count(where: { $0 == 0 })) / Double(x.count)
      let p = Double(probability)
      let deviation = (p * (1 - p) / Double(x.count)).squareRoot()
      #expect(abs(dropped - p) < 4 * deviation)
      let kept = Double(Float(1 / (1 - p)))
      let values = Set(y.doubles)
      #expect(values == [0, kept])
    }
  }

  @Test("A token's mask depends on its row and position, not on its place in the batch")
  func placeDoesNotMatter() {
    let width = 40
    let key = DropoutKey(seed: seed, step: 1, site: 0, probability: 0.5)
    func masks(_ packing: Packing) -> [[UInt32]: [UInt32]] {
      let x = Arena(count: packing.tokens * width)
      x.base.update(repeating: 1, count: x.count)
      packing.withCoordinates { at in
        Dropout.apply(
          x.base, x.base, key, at, rows: packing.tokens, width: width, ThreadPool(threads: 1))
      }
      var masks: [[UInt32]: [UInt32]] = [:]
      for t in 0..<packing.tokens {
        masks[[packing.rows[t], packing.positions[t]]] = Array(x.bits[t * width..<(t + 1) * width])
      }
      return masks
    }
    let one = masks(Packing(lengths: [3, 2, 4], rows: [5, 6, 7]))
    let other = masks(Packing(lengths: [4, 3, 2], rows: [7, 5, 6]))
    #expect(one == other)
    #expect(Set(one.values).count == 9)
  }

  @Test("Sites, steps and seeds have masks of their own")
  func keysDiffer() {
    let keys = [
      DropoutKey(seed: 1, step: 1, site: 0, probability: 0.5),
      DropoutKey(seed: 1, step: 1, site: 1, probability: 0.5),
      DropoutKey(seed: 1, step: 2, site: 0, probability: 0.5),
      DropoutKey(seed: 2, step: 1, site: 0, probability: 0.5),
      DropoutKey(seed: 1 + (1 << 32), step: 1, site: 0, probability: 0.5),
    ]
    let masks = keys.map { key in
      let y = Arena(count: 64)
      y.base.update(repeating: 1, count: 64)
      Dropout.applyRows(y.base, y.base, key, sequenceRows: [8], rows: 1, width: 64)
      return y.bits
    }
    #expect(Set(masks).count == keys.count)
  }

  @Test("Probability 0 copies, in place changes nothing")
  func noDropout() {
    let key = DropoutKey(seed: 1, step: 1, site: 0, probability: 0)
    let x = random(packing.tokens * 13, "x")
    let (y, before) = (unwritten(x.count), x.bits)
    packing.withCoordinates { at in
      let pool = ThreadPool(threads: 1)
      Dropout.apply(y.base, x.base, key, at, rows: packing.tokens, width: 13, pool)
      Dropout.apply(x.base, x.base, key, at, rows: packing.tokens, width: 13, pool)
    }
    #expect(y.bits == before && x.bits == before)
  }

  @Test("One vector a sequence is masked as the token at position 0")
  func sequenceVectors() {
    let key = DropoutKey(seed: seed, step: 9, site: 3, probability: 0.4)
    let x = random(3 * 21, "x")
    let (y, z) = (unwritten(x.count), unwritten(x.count))
    Dropout.applyRows(y.base, x.base, key, sequenceRows: [4, 1, 6], rows: 3, width: 21)
    Packing(lengths: [1, 1, 1], rows: [4, 1, 6]).withCoordinates { at in
      Dropout.apply(z.base, x.base, key, at, rows: 3, width: 21, ThreadPool(threads: 1))
    }
    #expect(y.bits == z.bits)
  }
}
