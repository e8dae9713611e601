/// Passes over buffers that do as good as nothing but read and write memory, for measuring how fast
/// it is: McCalpin's STREAM ("Memory bandwidth and machine balance", 1995).
package enum MemoryStream {
  /// Bytes that ``triad(_:_:_:scale:count:_:)`` moves an element, counted as STREAM does: what is
  /// read and written, and not that the processor first reads the line that it will write.
  package static let triadBytes = 12
  /// Of ``copy(_:_:count:_:)``.
  package static let copyBytes = 8

  /// a [count] = b [count] + scale * c [count].
  package static func triad(
    _ a: MutableFloats, _ b: Floats, _ c: Floats, scale: Float, count: Int, _ pool: ThreadPool
  ) {
    let scale = Vector(repeating: scale)
    pool.run(over: count, grain: Reduction.grain) { range, _ in
      let (a, b, c) = (a + range.lowerBound, b + range.lowerBound, c + range.lowerBound)
      eachVector(range.count) { i, lanes in
        store(load(b, i, lanes).adding(load(c, i, lanes), times: scale), a, i, lanes)
      }
    }
  }

  /// a [count] = b [count].
  package static func copy(_ a: MutableFloats, _ b: Floats, count: Int, _ pool: ThreadPool) {
    pool.run(over: count, grain: Reduction.grain) { range, _ in
      let (a, b) = (a + range.lowerBound, b + range.lowerBound)
      eachVector(range.count) { i, lanes in store(load(b, i, lanes), a, i, lanes) }
    }
  }
}
