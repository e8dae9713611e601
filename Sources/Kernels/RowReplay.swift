import COpenBLAS

/// AdamW's steps without a gradient, one after the other in registers: bit for bit what `AdamW.update`
/// makes of a gradient of zeros in as many passes over memory.
///
/// Such a step is, with g = 0 in `AdamW.update`,
///
///     m -= mix1 * m,   v *= β2,   p = p * keep - d,   d = rate * m / (√v / correction + ε)
///
/// and becomes cheaper as m fades. Once every later d is too small to change the rounding of p * keep,
/// the roots and divisions are left out; once m is 0, m too; once v is 0, v too.
struct RowReplay {
  private let minusMix1: Vector
  private let beta2: Vector
  private let epsilon: Vector
  /// A computed d of 0 may stand for as much as this.
  private let hidden: Float
  /// Whether ε keeps d from growing as v falls into the subnormals, where it is flushed to 0.
  private let mayDropMoves: Bool

  /// Steps between two looks at what can be left out.
  private static let lookDistance = 8

  init(_ optimizer: AdamW) {
    minusMix1 = Vector(repeating: -optimizer.mix1)
    beta2 = Vector(repeating: optimizer.beta2)
    epsilon = Vector(repeating: optimizer.epsilon)
    hidden = 0x1p-125 / optimizer.epsilon
    mayDropMoves = optimizer.epsilon >= 1e-12
  }

  /// Takes `steps` on `count` parameters, in order. p, m and v are updated in place.
  func run(
    _ p: MutableFloats, _ m: MutableFloats, _ v: MutableFloats, count: Int,
    _ steps: UnsafeBufferPointer<MissedSteps.Step>
  ) {
    guard let first = steps.baseAddress, !steps.isEmpty else { return }
    for i in stride(from: 0, to: count, by: Quad.count) {
      let lanes = min(Quad.count, count - i)
      var (parameter, mean) = (Quad(p, i, lanes), Quad(m, i, lanes))
      var square = Quad(v, i, lanes)
      run(&parameter, &mean, &square, first, first + steps.count)
      parameter.store(p, i, lanes)
      mean.store(m, i, lanes)
      square.store(v, i, lanes)
    }
  }

  @inline(__always)
  private func run(
    _ p: inout Quad, _ m: inout Quad, _ v: inout Quad,
    _ first: UnsafePointer<MissedSteps.Step>, _ end: UnsafePointer<MissedSteps.Step>
  ) {
    var step = first
    if !(mayDropMoves && m.isZero) {
      move(&p, &m, &v, &step, end)
      fade(&p, &m, &v, &step, end)
      // Steps are left only where m has become 0, in the last of them perhaps -0.
      if step == end { return v.addZero() }
    }
    m = Quad()
    shrink(&p, &v, &step, end)
    v.addZero()
    while step < end {
      p.scale(by: step.pointee.factors.keep)
      step += 1
    }
  }

  /// Whole steps, until no later one moves p by as much as its rounding.
  @inline(__always)
  private func move(
    _ p: inout Quad, _ m: inout Quad, _ v: inout Quad,
    _ step: inout UnsafePointer<MissedSteps.Step>, _ end: UnsafePointer<MissedSteps.Step>
  ) {
    var look = step + 1
    while step < end {
      let factors = step.pointee.factors
      let (keep, rate) = (Vector(repeating: factors.keep), Vector(repeating: factors.rate))
      let correction = Vector(repeating: factors.correction)
      m.addProduct(minusMix1)
      v.scale(by: beta2)
      let d = m.map(v) { m, v in
        rate * m / (lockstep_square_root(v) / correction + epsilon)
      }
      p = p.map(d) { p, d in p * keep - d }
      step += 1
      if step == look {
        if mayDropMoves, areLost(d, m, p, growth: (step - 1).pointee.growth) { return }
        look += Self.lookDistance
      }
    }
  }

  /// Whether moves that are at most `growth` times d, after which p is at least half of what it is now,
  /// leave every p * keep as it is rounded: they are below a quarter of its last place, x / 2^26.
  /// A lane whose m is 0 has no moves.
  @inline(__always)
  private func areLost(_ d: Quad, _ m: Quad, _ p: Quad, growth: Float) -> Bool {
    @inline(__always)
    func areLost(_ d: Vector, _ m: Vector, _ p: Vector) -> SIMDMask<SIMD8<Int32>> {
      let size = p.magnitude
      let moves = (d.magnitude + hidden) * growth
      return ((moves .<= size * 0x1p-27) .& (size .>= 0x1p-60)) .| (m .== 0)
    }
    let lost =
      areLost(d.a, m.a, p.a) .& areLost(d.b, m.b, p.b) .& areLost(d.c, m.c, p.c)
      .& areLost(d.d, m.d, p.d)
    return !unsafeBitCast(.!lost, to: Bits.self).hasOne
  }

  /// Steps that move nothing, until m is 0.
  @inline(__always)
  private func fade(
    _ p: inout Quad, _ m: inout Quad, _ v: inout Quad,
    _ step: inout UnsafePointer<MissedSteps.Step>, _ end: UnsafePointer<MissedSteps.Step>
  ) {
    while step < end, !m.isZero {
      let stop = step + min(Self.lookDistance, end - step)
      while step < stop {
        m.addProduct(minusMix1)
        v.scale(by: beta2)
        p.scale(by: step.pointee.factors.keep)
        step += 1
      }
    }
  }

  /// Steps of parameters whose m is 0, until v is 0.
  @inline(__always)
  private func shrink(
    _ p: inout Quad, _ v: inout Quad,
    _ step: inout UnsafePointer<MissedSteps.Step>, _ end: UnsafePointer<MissedSteps.Step>
  ) {
    while step < end, !v.isZero {
      let stop = step + min(Self.lookDistance, end - step)
      while step < stop {
        v.scale(by: beta2)
        p.scale(by: step.pointee.factors.keep)
        step += 1
      }
    }
  }
}

/// 32 floats in four registers: enough of them in flight to hide an instruction's latency.
private struct Quad {
  static let count = 32

  var a = Vector()
  var b = Vector()
  var c = Vector()
  var d = Vector()

  @inline(__always)
  init() {}

  @inline(__always)
  init(_ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector) {
    (self.a, self.b, self.c, self.d) = (a, b, c, d)
  }

  /// `lanes` floats from index `i`; the others are 0.
  @inline(__always)
  init(_ p: MutableFloats, _ i: Int, _ lanes: Int) {
    if lanes == Self.count {
      a = load(p, i, 8)
      b = load(p, i &+ 8, 8)
      c = load(p, i &+ 16, 8)
      d = load(p, i &+ 24, 8)
    } else {
      func part(_ k: Int) -> Vector {
        let count = min(8, lanes - k)
        return count > 0 ? load(p, i + k, count) : Vector()
      }
      (a, b, c, d) = (part(0), part(8), part(16), part(24))
    }
  }

  /// Writes the first `lanes` floats from index `i`.
  @inline(__always)
  func store(_ p: MutableFloats, _ i: Int, _ lanes: Int) {
    if lanes == Self.count {
      Kernels.store(a, p, i, 8)
      Kernels.store(b, p, i &+ 8, 8)
      Kernels.store(c, p, i &+ 16, 8)
      Kernels.store(d, p, i &+ 24, 8)
    } else {
      for (vector, k) in [(a, 0), (b, 8), (c, 16), (d, 24)] where k < lanes {
        Kernels.store(vector, p, i + k, min(8, lanes - k))
      }
    }
  }

  @inline(__always)
  func map(_ other: Quad, _ body: (Vector, Vector) -> Vector) -> Quad {
    Quad(body(a, other.a), body(b, other.b), body(c, other.c), body(d, other.d))
  }

  @inline(__always)
  mutating func scale(by factor: Vector) {
    a *= factor
    b *= factor
    c *= factor
    d *= factor
  }

  @inline(__always)
  mutating func scale(by factor: Float) { scale(by: Vector(repeating: factor)) }

  /// self += self * factor, rounded once.
  @inline(__always)
  mutating func addProduct(_ factor: Vector) {
    a = a.adding(a, times: factor)
    b = b.adding(b, times: factor)
    c = c.adding(c, times: factor)
    d = d.adding(d, times: factor)
  }

  /// Makes 0 of -0.
  @inline(__always)
  mutating func addZero() {
    a += Vector()
    b += Vector()
    c += Vector()
    d += Vector()
  }

  /// Whether every float is 0 or -0.
  @inline(__always)
  var isZero: Bool {
    !((a.bits | b.bits | c.bits | d.bits) & 0x7fff_ffff_7fff_ffff).hasOne
  }
}

/// The bits of a vector's floats, two in a lane.
private typealias Bits = SIMD4<UInt64>

extension SIMD4<UInt64> {
  /// Whether a bit is 1. SIMD's `==` would go through the lanes one by one.
  @inline(__always)
  fileprivate var hasOne: Bool {
    let half = lowHalf | highHalf
    return half.x | half.y != 0
  }
}

extension SIMD8 where Scalar == Float {
  @inline(__always)
  fileprivate var bits: Bits { unsafeBitCast(self, to: Bits.self) }

  /// |x| of every lane.
  @inline(__always)
  fileprivate var magnitude: Vector { unsafeBitCast(bits & 0x7fff_ffff_7fff_ffff, to: Vector.self) }
}
