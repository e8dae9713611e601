#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Philox4x32-10, a counter-based generator: 128 random bits are a pure function of a counter and a
/// key, so that no random number depends on rank, thread or time. Salmon, Moraes, Dror, Shaw,
/// "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the reference implementation is Random123.
///
/// The key is always the run's seed, low word first. Who draws what is in the counter; its second
/// word starts with a domain, so that no two uses share a counter:
///
///     word 0         word 1 (bits 31-28 domain, 27-0 as said)     word 2         word 3
///     block          0: dropout; site                             dataset row    training step
///     block          1: initialisation; 0                         name hash: low, high half
///     block          2: epoch order; 0                            epoch: low, high half
///     block          3: synthetic row of a benchmark; 0           row: low, high half
package struct Philox4x32: Sendable {
  enum Domain: UInt32 {
    case dropout = 0
    case initialization = 1
    case epochOrder = 2
    case syntheticRow = 3
    case masking = 4

    /// The domain at its place in the counter's second word.
    var bits: UInt32 { rawValue << 28 }
  }

  private static var multiplier0: UInt32 { 0xD251_1F53 }
  private static var multiplier1: UInt32 { 0xCD9E_8D57 }
  private static var increment0: UInt32 { 0x9E37_79B9 }
  private static var increment1: UInt32 { 0xBB67_AE85 }

  /// A seed as a key.
  static func key(seed: UInt64) -> SIMD2<UInt32> {
    SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// The four random words of a counter.
  package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let p0 = multiplier0.multipliedFullWidth(by: c.x)
      let p1 = multiplier1.multipliedFullWidth(by: c.z)
      c = SIMD4(p1.high ^ c.y ^ k.x, p1.low, p0.high ^ c.w ^ k.y, p0.low)
      k = k &+ SIMD2(increment0, increment1)
    }
    return c
  }

  /// The 32 random words of eight counters that differ in their first word alone: `counter`,
  /// `counter.x + 1` .. `counter.x + 7`, in that order.
  @inline(__always)
  static func blocks(
    counter: SIMD4<UInt32>, key: SIMD2<UInt32>
  ) -> (SIMD8<UInt32>, SIMD8<UInt32>, SIMD8<UInt32>, SIMD8<UInt32>) {
    let (a, b) = pairs(counter: counter, key: key)
    return (
      words(a.low[0], a.high[0], a.low[2], a.high[2]),
      words(a.low[1], a.high[1], a.low[3], a.high[3]),
      words(b.low[0], b.high[0], b.low[2], b.high[2]),
      words(b.low[1], b.high[1], b.low[3], b.high[3])
    )
  }

  @inline(__always)
  private static func words(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) -> SIMD8<UInt32> {
    unsafeBitCast(SIMD4(a, b, c, d), to: SIMD8<UInt32>.self)
  }

  private typealias Lanes = SIMD4<UInt64>
  /// Words 0 and 1, and words 2 and 3, of four counters in the order 0, 2, 1, 3, which makes putting
  /// them in sequence one unpack each.
  private typealias Pairs = (low: Lanes, high: Lanes)

  /// Apart: LLVM would pull the caller's shuffles through all ten rounds.
  @inline(never)
  private static func pairs(
    counter: SIMD4<UInt32>, key: SIMD2<UInt32>
  ) -> (Pairs, Pairs) {
    let x = Lanes(repeating: UInt64(counter.x))
    var a = State(x &+ Lanes(0, 2, 1, 3), counter)
    var b = State(x &+ Lanes(4, 6, 5, 7), counter)
    var k0 = Lanes(repeating: UInt64(key.x))
    var k1 = Lanes(repeating: UInt64(key.y))
    @inline(__always)
    func twoRounds() {
      for _ in 0..<2 {
        a.round(k0, k1)
        b.round(k0, k1)
        k0 = k0 &+ Lanes(repeating: UInt64(increment0))
        k1 = k1 &+ Lanes(repeating: UInt64(increment1))
      }
    }
    // Written out: as a loop LLVM keeps half of its state on the stack.
    twoRounds()
    twoRounds()
    twoRounds()
    twoRounds()
    twoRounds()
    return (a.pairs, b.pairs)
  }

  /// Four counters on their way through the rounds. A word is the low half of a 64-bit lane; what is
  /// in the high half is never read, and the masks before the products say so: LLVM makes each one
  /// vpmuludq.
  private struct State {
    var c0, c1, c2, c3: Lanes

    @inline(__always)
    init(_ first: Lanes, _ counter: SIMD4<UInt32>) {
      c0 = first
      c1 = Lanes(repeating: UInt64(counter.y))
      c2 = Lanes(repeating: UInt64(counter.z))
      c3 = Lanes(repeating: UInt64(counter.w))
    }

    @inline(__always)
    mutating func round(_ k0: Lanes, _ k1: Lanes) {
      let low = Lanes(repeating: 0xffff_ffff)
      let p0 = (c0 & low) &* Lanes(repeating: UInt64(multiplier0))
      let p1 = (c2 & low) &* Lanes(repeating: UInt64(multiplier1))
      c0 = (p1 &>> 32) ^ c1 ^ k0
      c1 = p1
      c2 = (p0 &>> 32) ^ c3 ^ k1
      c3 = p0
    }

    @inline(__always)
    var pairs: Pairs {
      let low = Lanes(repeating: 0xffff_ffff)
      return ((c0 & low) | (c1 &<< 32), (c2 & low) | (c3 &<< 32))
    }
  }
}

extension Philox4x32 {
  /// Four random words for a token of a row in an epoch.
  package static func maskingWords(
    seed: UInt64, epoch: UInt32, row: UInt32, position: UInt32
  ) -> SIMD4<UInt32> {
    block(
      counter: SIMD4(position, Domain.masking.bits, row, epoch), key: key(seed: seed))
  }

  /// Fills `y` [count] with normal numbers of mean 0, a pure function of (seed, name, index).
  ///
  /// Box-Muller in double precision: the four words of block i give elements 4i .. 4i + 3, the first
  /// pair from words 0 and 1. `name` is the parameter's, hashed with 64-bit FNV-1a.
  package static func normal(
    into y: MutableFloats, count: Int, seed: UInt64, name: String, standardDeviation: Float
  ) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let key = key(seed: seed)
    for first in stride(from: 0, to: count, by: 4) {
      let words = block(
        counter: SIMD4(
          UInt32(first / 4), Domain.initialization.bits,
          UInt32(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash >> 32)),
        key: key)
      for i in first..<min(count, first + 4) {
        let pair = (i - first) & ~1
        // Half a step above k / 2^32 keeps the logarithm finite.
        let radius = (-2 * log((Double(words[pair]) + 0.5) * 0x1p-32)).squareRoot()
        let angle = 2 * Double.pi * (Double(words[pair + 1]) + 0.5) * 0x1p-32
        let normal = radius * ((i - first) & 1 == 0 ? cos(angle) : sin(angle))
        y[i] = Float(normal * Double(standardDeviation))
      }
    }
  }
}

/// Random integers for the order of an epoch's rows, a pure function of (seed, epoch), or for a
/// made-up row, of (seed, row).
package struct PhiloxStream: RandomNumberGenerator, Sendable {
  private let key: SIMD2<UInt32>
  private var counter: SIMD4<UInt32>
  private var words = SIMD4<UInt32>()
  private var used = 4

  package init(seed: UInt64, epoch: UInt64) { self.init(seed, .epochOrder, epoch) }

  package init(seed: UInt64, syntheticRow row: UInt64) { self.init(seed, .syntheticRow, row) }

  private init(_ seed: UInt64, _ domain: Philox4x32.Domain, _ number: UInt64) {
    key = Philox4x32.key(seed: seed)
    counter = SIMD4(
      0, domain.bits, UInt32(truncatingIfNeeded: number),
      UInt32(truncatingIfNeeded: number >> 32))
  }

  /// The next 64 random bits, the earlier word in the low half.
  package mutating func next() -> UInt64 {
    if used == 4 {
      words = Philox4x32.block(counter: counter, key: key)
      counter.x += 1
      used = 0
    }
    used += 2
    return UInt64(words[used - 1]) << 32 | UInt64(words[used - 2])
  }
}
