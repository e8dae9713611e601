/// Elementary functions on vectors: polynomials instead of libm calls, which are scalar.
///
/// The coefficients are weighted least-squares fits on Chebyshev nodes, reweighted (Lawson) until the
/// largest relative error was level, computed in double precision and rounded to float. The errors
/// below include rounding, measured against double precision.
enum VectorMath {
  /// e^x for x <= 88.3, to 0.9 ulp; exactly 0 below -87.33, where the result would be subnormal.
  ///
  /// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r² P(r), P of degree 4 (3e-9 relative); 2^n is
  /// put together in the exponent bits. Adding 1.5 * 2^23 rounds to an integer and leaves it in the
  /// low bits.
  @inline(__always)
  static func exp(_ x: Vector) -> Vector {
    let magic = Vector(repeating: 12_582_912)
    let shifted = magic.adding(x, times: Vector(repeating: 1.442_695_040_9))
    let n = shifted - magic
    // ln 2 in two parts; the product of n and the first is exact.
    var r = x.adding(n, times: Vector(repeating: -0.693_359_375))
    r = r.adding(n, times: Vector(repeating: 2.121_944_4e-4))
    var p = Vector(repeating: 0.001_381_443_3)
    p = Vector(repeating: 0.008_368_797).adding(p, times: r)
    p = Vector(repeating: 0.041_668_396).adding(p, times: r)
    p = Vector(repeating: 0.166_665_2).adding(p, times: r)
    p = Vector(repeating: 0.499_999_94).adding(p, times: r)
    p = r.adding(p, times: r * r) + 1
    let bits = unsafeBitCast(shifted, to: SIMD8<UInt32>.self)
    let power = unsafeBitCast((bits &+ 127) &<< 23, to: Vector.self)
    return (p * power).replacing(with: 0, where: x .< -87.33)
  }

  /// tanh x, to 1.3 ulp, odd in every bit.
  ///
  /// Below 0.625 x + x³ P(x²), P of degree 4 (4e-9 relative); from there 1 - 2 / (e^(2|x|) + 1).
  @inline(__always)
  static func tanh(_ x: Vector) -> Vector {
    let z = x * x
    var p = Vector(repeating: -0.005_704_987_3)
    p = Vector(repeating: 0.020_639_088).adding(p, times: z)
    p = Vector(repeating: -0.053_739_715).adding(p, times: z)
    p = Vector(repeating: 0.133_314_42).adding(p, times: z)
    p = Vector(repeating: -0.333_332_8).adding(p, times: z)
    let small = x.adding(p * z, times: x)

    let sign = unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x8000_0000
    var magnitude = absolute(x)
    magnitude.replace(with: 10, where: magnitude .> 10)
    let large = 1 - 2 / (exp(magnitude + magnitude) + 1)
    let signed = unsafeBitCast(
      unsafeBitCast(large, to: SIMD8<UInt32>.self) | sign, to: Vector.self)
    return signed.replacing(with: small, where: magnitude .< 0.625)
  }

  /// The standard normal distribution at x: its cumulative probability Φ(x), to 3.5e-7 relative in
  /// the lower tail and 1.6e-7 absolute everywhere, and e^(-x²/2).
  ///
  /// With t = |x|, Φ(-t) = e^(-t²/2) M(t); M, the scaled complementary error function
  /// erfcx(t/√2) / 2, is smooth: M = u P(u) with u = 1 / (1 + 0.35 t), P of degree 8 (3e-8 relative
  /// up to t = 14, past which Φ(-t) is subnormal).
  @inline(__always)
  static func normal(_ x: Vector) -> (cumulative: Vector, exponential: Vector) {
    var t = absolute(x)
    t.replace(with: 14, where: t .> 14)
    // The rounding error of t² times the exponential is far above an ulp in the tail: add it back.
    let square = t * t
    let error = (-square).adding(t, times: t)
    var e = exp(square * -0.5)
    e = e.adding(e, times: error * -0.5)

    let u = 1 / Vector(repeating: 1).adding(t, times: Vector(repeating: 0.35))
    var p = Vector(repeating: -0.029_145_94)
    p = Vector(repeating: 0.143_971_74).adding(p, times: u)
    p = Vector(repeating: -0.255_714_33).adding(p, times: u)
    p = Vector(repeating: 0.159_174_25).adding(p, times: u)
    p = Vector(repeating: -0.023_109_9).adding(p, times: u)
    p = Vector(repeating: 0.105_508_03).adding(p, times: u)
    p = Vector(repeating: 0.119_832_86).adding(p, times: u)
    p = Vector(repeating: 0.139_861_87).adding(p, times: u)
    p = Vector(repeating: 0.139_621_4).adding(p, times: u)
    let tail = p * u * e
    return ((1 - tail).replacing(with: tail, where: x .< 0), e)
  }

  @inline(__always)
  static func absolute(_ x: Vector) -> Vector {
    unsafeBitCast(unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x7fff_ffff, to: Vector.self)
  }
}
