/// A fingerprint of floats, bit by bit, as fast as memory is read: for telling equal buffers from
/// different ones, not for security.
package enum Digest {
  private typealias Words = SIMD8<UInt32>

  /// The digest of x [count]; any single changed bit changes it. The same on any number of threads.
  ///
  /// Blocks are summed lane by lane twice, as Fletcher's checksum is ("An arithmetic checksum for
  /// serial transmissions", 1982), and their sums mixed in order.
  package static func of(_ x: Floats, count: Int, _ pool: ThreadPool) -> UInt64 {
    let grain = max(Reduction.grain, (count + 255) / 256)
    let blocks = (count + grain - 1) / grain
    return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(blocks, 1)) { digests in
      pool.run(over: count, grain: grain) { range, _ in
        digests[range.lowerBound / grain] = block(x + range.lowerBound, range.count)
      }
      return digests[..<blocks].reduce(UInt64(count)) { mix($0, $1) }
    }
  }

  private static func block(_ x: Floats, _ count: Int) -> UInt64 {
    var first = Words()
    var second = Words()
    let whole = count & ~7
    var i = 0
    while i < whole {
      first &+= unsafeBitCast(load(x, i, 8), to: Words.self)
      second &+= first
      i &+= 8
    }
    var digest: UInt64 = 0
    for lane in 0..<8 { digest = mix(digest, UInt64(second[lane]) << 32 | UInt64(first[lane])) }
    for index in whole..<count { digest = mix(digest, UInt64(x[index].bitPattern)) }
    return digest
  }

  /// One-to-one in each argument (odd factors of splitmix64).
  private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var z = (a &+ 0x9E37_79B9_7F4A_7C15) &* 0xBF58_476D_1CE4_E5B9 ^ b
    z = (z ^ (z >> 30)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
