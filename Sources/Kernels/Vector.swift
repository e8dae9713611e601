/// Floats that a kernel reads.
package typealias Floats = UnsafePointer<Float>
/// Floats that a kernel writes.
package typealias MutableFloats = UnsafeMutablePointer<Float>

/// Eight floats: one AVX register. All kernels are written in it; a last part of fewer than eight
/// lanes goes through the same arithmetic, so an element's bits do not depend on where it lies.
typealias Vector = SIMD8<Float>

/// Calls `body` for each vector of `count` elements: the index of its first element and its lanes,
/// eight except in the last call. In whole vectors `lanes` is a constant after inlining, so that
/// `load` and `store` become single moves.
@inline(__always)
func eachVector(_ count: Int, _ body: (_ i: Int, _ lanes: Int) -> Void) {
  let whole = count & ~7
  var i = 0
  while i < whole {
    body(i, 8)
    i &+= 8
  }
  if i < count { body(i, count &- i) }
}

/// `lanes` floats from index `i`; the other lanes are `fill`.
@inline(__always)
func load(_ p: Floats, _ i: Int, _ lanes: Int, fill: Float = 0) -> Vector {
  if lanes == 8 { return UnsafeRawPointer(p + i).loadUnaligned(as: Vector.self) }
  var v = Vector(repeating: fill)
  for k in 0..<lanes { v[k] = p[i &+ k] }
  return v
}

/// `lanes` floats from index `i`; the other lanes are `fill`.
@inline(__always)
func load(_ p: MutableFloats, _ i: Int, _ lanes: Int, fill: Float = 0) -> Vector {
  load(Floats(p), i, lanes, fill: fill)
}

/// Writes the first `lanes` lanes of `v` from index `i`.
@inline(__always)
func store(_ v: Vector, _ p: MutableFloats, _ i: Int, _ lanes: Int) {
  if lanes == 8 {
    UnsafeMutableRawPointer(p + i).storeBytes(of: v, as: Vector.self)
  } else {
    for k in 0..<lanes { p[i &+ k] = v[k] }
  }
}

extension SIMD8 where Scalar == Float {
  /// The sum of the lanes, always as ((0+4)+(2+6)) + ((1+5)+(3+7)).
  @inline(__always)
  var laneSum: Float {
    let four = lowHalf + highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// The largest lane.
  @inline(__always)
  var laneMaximum: Float {
    let four = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
    let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
    return two.y > two.x ? two.y : two.x
  }

  /// `self + a * b`, rounded once.
  @inline(__always)
  func adding(_ a: Vector, times b: Vector) -> Vector { addingProduct(a, b) }
}
