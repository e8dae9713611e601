import Testing

@testable import Kernels

/// A buffer of normal numbers, a function of its name.
func random(_ count: Int, _ name: String, _ deviation: Float = 1) -> Arena {
  let arena = Arena(count: count)
  Philox4x32.normal(
    into: arena.base, count: count, seed: 7, name: name, standardDeviation: deviation)
  return arena
}

/// A buffer that holds NaN wherever a kernel does not write.
func unwritten(_ count: Int) -> Arena {
  let arena = Arena(count: count)
  arena.base.update(repeating: .nan, count: count)
  return arena
}

extension Arena {
  /// The same numbers in other memory.
  var copy: Arena {
    let arena = Arena(count: count)
    arena.base.update(from: base, count: count)
    return arena
  }

  var doubles: [Double] { (0..<count).map { Double(base[$0]) } }
  var bits: [UInt32] { (0..<count).map { base[$0].bitPattern } }

  /// The floats from `first` on.
  func from(_ first: Int) -> MutableFloats { base + first }
}

/// Expects |actual - expected| <= absolute + relative * |expected| for every element and reports the
/// worst that is not.
func expectClose(
  _ name: String, _ actual: Arena, _ expected: [Double], absolute: Double = 1e-6,
  relative: Double = 1e-5, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(actual.count == expected.count, "\(name)", sourceLocation: sourceLocation)
  var worst = (excess: 0.0, index: -1)
  for i in 0..<min(actual.count, expected.count) {
    let error = abs(Double(actual.base[i]) - expected[i])
    let excess = error / (absolute + relative * abs(expected[i]))
    // A NaN is the worst there is.
    if !(excess <= max(worst.excess, 1)) { worst = (excess.isNaN ? .infinity : excess, i) }
  }
  let i = worst.index
  #expect(
    i < 0,
    "\(name)[\(i)]: expected \(i < 0 ? 0 : expected[i]), found \(i < 0 ? 0 : actual.base[i])",
    sourceLocation: sourceLocation)
}

/// Expects the same bits from `compute` on pools of 1, 2, 3 and 5 threads.
func expectSameBitsOnAnyThreads(
  sourceLocation: SourceLocation = #_sourceLocation, _ compute: (ThreadPool) -> [Arena]
) {
  let reference = compute(ThreadPool(threads: 1)).map(\.bits)
  for threads in [2, 3, 5] {
    let pool = ThreadPool(threads: threads)
    for _ in 0..<3 {
      let results = compute(pool).map(\.bits)
      #expect(results == reference, "\(threads) threads", sourceLocation: sourceLocation)
    }
  }
}

/// a [m,k] · b [k,n] in double precision; element (i, j) of an operand is at i * strides.0 + j *
/// strides.1.
func product(
  _ a: [Double], _ aStrides: (Int, Int), _ b: [Double], _ bStrides: (Int, Int),
  _ m: Int, _ n: Int, _ k: Int
) -> [Double] {
  var c = [Double](repeating: 0, count: m * n)
  for i in 0..<m {
    for j in 0..<n {
      var sum = 0.0
      for l in 0..<k {
        sum += a[i * aStrides.0 + l * aStrides.1] * b[l * bStrides.0 + j * bStrides.1]
      }
      c[i * n + j] = sum
    }
  }
  return c
}

/// The sums of the parts, each by itself, added in their tree by recursion.
func treeSum(_ parts: Parts, count: Int, _ sum: (Range<Int>) -> Arena) -> Arena {
  func subtree(_ range: Range<Int>) -> Arena {
    guard range.count > 1 else { return sum(parts[range.lowerBound]) }
    let middle = (range.lowerBound + range.upperBound) / 2
    let (left, right) = (subtree(range.lowerBound..<middle), subtree(middle..<range.upperBound))
    for i in 0..<count { left.base[i] += right.base[i] }
    return left
  }
  return subtree(0..<parts.count)
}

/// Sums of the columns of a [rows, width].
func columnSums(_ a: [Double], rows: Int, width: Int) -> [Double] {
  (0..<width).map { c in (0..<rows).reduce(0) { $0 + a[$1 * width + c] } }
}

/// The mask of one element, word by word through the scalar generator.
func maskFactor(
  seed: UInt64, step: UInt64, site: UInt32, probability: Float, row: UInt32, block: Int, word: Int
) -> Double {
  let words = Philox4x32.block(
    counter: SIMD4(UInt32(block), site, row, UInt32(step)),
    key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)))
  let threshold = (Double(probability) * 0x1p32).rounded()
  return Double(words[word]) >= threshold ? 1 / (1 - Double(probability)) : 0
}

/// The packed batch of some lengths: what keys its dropout, and where its sequences are.
struct Packing {
  let cumulativeLengths: [Int32]
  let sequenceRows: [UInt32]
  let rows: [UInt32]
  let positions: [UInt32]

  init(lengths: [Int], rows sequenceRows: [UInt32]) {
    var sums: [Int32] = [0]
    for length in lengths { sums.append((sums.last ?? 0) + Int32(length)) }
    cumulativeLengths = sums
    self.sequenceRows = sequenceRows
    rows = zip(lengths, sequenceRows).flatMap { Array(repeating: $1, count: $0) }
    positions = lengths.flatMap { (0..<UInt32($0)) }
  }

  var tokens: Int { rows.count }
  var lengths: [Int] { zip(cumulativeLengths, cumulativeLengths.dropFirst()).map { Int($1 - $0) } }

  func withCoordinates(_ body: (TokenCoordinates) -> Void) {
    rows.withUnsafeBufferPointer { rows in
      positions.withUnsafeBufferPointer { positions in
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 1) { none in
          let empty = UnsafePointer(none.baseAddress!)
          body(
            TokenCoordinates(
              rows: rows.baseAddress ?? empty, positions: positions.baseAddress ?? empty))
        }
      }
    }
  }
}
