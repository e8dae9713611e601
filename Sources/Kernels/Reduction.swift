/// Whole-buffer passes in fixed blocks and a fixed order: bits do not depend on the threads.
package enum Reduction {
  /// Floats in a block of an elementwise pass: 64 KiB.
  static let grain = 16_384

  /// Floats in a block of ``squareSums(_:_:count:_:)``.
  package static let squareBlock = 4096

  /// sums [⌈count / squareBlock⌉], overwritten with the sum of squares of each block of x [count].
  ///
  /// Runs of 1,024 elements are summed in float, by lane, 32 terms a lane; all else in double. The
  /// blocks are the same whoever sums them: added in their order, they give the same bits on any
  /// number of threads and ranks.
  package static func squareSums(
    _ sums: UnsafeMutablePointer<Double>, _ x: Floats, count: Int, _ pool: ThreadPool
  ) {
    pool.run(over: count, grain: grain) { range, _ in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: squareBlock) {
        let block = start..<min(start + squareBlock, range.upperBound)
        sums[start / squareBlock] = sumOfSquares(x, block)
      }
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

  /// y [count] = the sum of n buffers [count], n a power of two, in one complete binary tree over
  /// them: ((x0 + x1) + (x2 + x3)) for four.
  ///
  /// - Parameter y: May be one of the buffers.
  package static func treeSum(
    _ y: MutableFloats, _ buffers: [Floats], count: Int, _ pool: ThreadPool
  ) {
    precondition(buffers.count.nonzeroBitCount == 1, "a complete binary tree")
    let levels = buffers.count.trailingZeroBitCount
    let chunk = 2048
    pool.run(over: count, grain: grain) { range, _ in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: (levels + 1) * chunk) { scratch in
        guard let base = scratch.baseAddress else { return }
        for start in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
          let length = min(chunk, range.upperBound - start)
          let sum = treeSum(
            buffers[...], start, length, base, into: buffers.count == 2 ? y + start : base)
          if sum != Floats(y + start) { (y + start).update(from: sum, count: length) }
        }
      }
    }
  }

  /// The sum of the floats from `start`: in `target` [length], or where a single buffer has them.
  ///
  /// - Parameter scratch: [levels + 1, 2048], its first row perhaps the target.
  private static func treeSum(
    _ buffers: ArraySlice<Floats>, _ start: Int, _ length: Int, _ scratch: MutableFloats,
    into target: MutableFloats
  ) -> Floats {
    if buffers.count == 1 { return buffers[buffers.startIndex] + start }
    let middle = buffers.startIndex + buffers.count / 2
    let next = scratch + 2048
    let left = treeSum(buffers[..<middle], start, length, next, into: target)
    let right = treeSum(buffers[middle...], start, length, next, into: next)
    eachVector(length) { i, lanes in
      store(load(left, i, lanes) + load(right, i, lanes), target, i, lanes)
    }
    return Floats(target)
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
