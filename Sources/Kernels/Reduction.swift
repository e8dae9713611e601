/// Whole-buffer passes in fixed blocks and a fixed order: bits do not depend on the threads.
package enum Reduction {
  /// Floats in a block of an elementwise pass: 64 KiB.
  static let grain = 16_384

  /// Most blocks of a sum: their partial sums stay on the stack.
  private static let partials = 64

  /// The sum of squares of x [count].
  ///
  /// Runs of 1,024 elements are summed in float, by lane, 32 terms a lane; all else in double.
  package static func sumOfSquares(_ x: Floats, count: Int, _ pool: ThreadPool) -> Double {
    let grain = max(4096, (count + partials - 1) / partials)
    let blocks = (count + grain - 1) / grain
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: partials) { sums in
      let sums = UnsafeMutableBufferPointer(rebasing: sums[..<blocks])
      pool.run(over: count, grain: grain) { range, _ in
        sums[range.lowerBound / grain] = sumOfSquares(x, range)
      }
      return sums.reduce(0, +)
    }
  }

  private static func sumOfSquares(_ x: Floats, _ range: Range<Int>) -> Double {
    var total = 0.0
    for start in stride(from: range.lowerBound, to: range.upperBound, by: 1024) {
      let x = x + start
      var sums = (Vector(), Vector(), Vector(), Vector())
      let count = min(1024, range.upperBound - start)
      var i = 0
      while i &+ 32 <= count {
        let (a, b) = (load(x, i, 8), load(x, i &+ 8, 8))
        let (c, d) = (load(x, i &+ 16, 8), load(x, i &+ 24, 8))
        sums.0 = sums.0.adding(a, times: a)
        sums.1 = sums.1.adding(b, times: b)
        sums.2 = sums.2.adding(c, times: c)
        sums.3 = sums.3.adding(d, times: d)
        i &+= 32
      }
      while i < count {
        let a = load(x, i, min(8, count &- i))
        sums.0 = sums.0.adding(a, times: a)
        i &+= 8
      }
      for lane in 0..<8 {
        total += Double(sums.0[lane]) + Double(sums.1[lane])
        total += Double(sums.2[lane]) + Double(sums.3[lane])
      }
    }
    return total
  }

  /// y [count] += x [count].
  package static func add(_ y: MutableFloats, _ x: Floats, count: Int, _ pool: ThreadPool) {
    pool.run(over: count, grain: grain) { range, _ in
      let (y, x) = (y + range.lowerBound, x + range.lowerBound)
      eachVector(range.count) { i, lanes in
        store(load(y, i, lanes) + load(x, i, lanes), y, i, lanes)
      }
    }
  }

  /// y [count] = 0.
  package static func zero(_ y: MutableFloats, count: Int, _ pool: ThreadPool) {
    pool.run(over: count, grain: grain) { range, _ in
      (y + range.lowerBound).update(repeating: 0, count: range.count)
    }
  }

  /// The index of the first infinity or NaN in x [count]; nil if all are finite.
  package static func firstNonFinite(_ x: Floats, count: Int) -> Int? {
    for start in stride(from: 0, to: count, by: 1024) {
      let length = min(1024, count - start)
      // x - x is 0 for finite numbers, else NaN, which stays in the sum.
      let sum = RowSum.of(length) { i, lanes in
        let v = load(x + start, i, lanes)
        return v - v
      }
      if sum != 0 { return (start..<start + length).first { !x[$0].isFinite } }
    }
    return nil
  }
}
