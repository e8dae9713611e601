/// One tile of a matrix product with all its accumulators in registers: the innermost loop of every
/// dense layer. Generic over the vector, so that each instruction set compiles it for its own.
///
/// Every element is one chain of fused multiply-adds in the order of the depth, so its bits depend on
/// neither the rows of its tile nor the width of a vector.
public struct Tile<let R: Int, V: SIMD> where V.Scalar == Float {
  @usableFromInline var left: InlineArray<R, V>
  @usableFromInline var right: InlineArray<R, V>

  /// R rows of two vectors.
  ///
  /// - Parameter start: what every row's chain begins with, [2 vectors]; nil for zeros.
  @inlinable @inline(__always)
  public init(start: UnsafePointer<Float>?) {
    if let start {
      left = InlineArray(repeating: loadVector(start, V.self))
      right = InlineArray(repeating: loadVector(start + V.scalarCount, V.self))
    } else {
      left = InlineArray(repeating: V())
      right = InlineArray(repeating: V())
    }
  }

  /// Adds a · b.
  ///
  /// - Parameters:
  ///   - a: packed [depth, R].
  ///   - b: packed [depth, 2 vectors].
  @inlinable @inline(__always)
  public mutating func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, depth: Int
  ) {
    var (a, b) = (a, b)
    for _ in 0..<depth {
      add(a, times: loadVector(b, V.self), loadVector(b + V.scalarCount, V.self))
      a += R
      b += 2 &* V.scalarCount
    }
  }

  /// Row i += a[i] * (x, y).
  @inlinable @inline(__always)
  mutating func add(_ a: UnsafePointer<Float>, times x: V, _ y: V) {
    for i in 0..<R {
      let factor = V(repeating: a[i])
      left[i].addProduct(factor, x)
      right[i].addProduct(factor, y)
    }
  }

  /// Overwrites the rows of c, `stride` apart, or adds to them.
  @inlinable @inline(__always)
  public func write(_ c: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool) {
    for i in 0..<R {
      let row = c + i &* stride
      let next = row + V.scalarCount
      if accumulate {
        storeVector(loadVector(row, V.self) + left[i], row)
        storeVector(loadVector(next, V.self) + right[i], next)
      } else {
        storeVector(left[i], row)
        storeVector(right[i], next)
      }
    }
  }
}

/// A ``Tile`` of twice R rows, in two halves: the compiler keeps the accumulators of loops of up to
/// eight rows in registers.
public struct TallTile<let R: Int, V: SIMD> where V.Scalar == Float {
  @usableFromInline var upper: Tile<R, V>
  @usableFromInline var lower: Tile<R, V>

  /// See ``Tile/init(start:)``.
  @inlinable @inline(__always)
  public init(start: UnsafePointer<Float>?) {
    upper = Tile(start: start)
    lower = upper
  }

  /// Adds a [depth, 2R] · b [depth, 2 vectors], both packed.
  @inlinable @inline(__always)
  public mutating func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, depth: Int
  ) {
    var (a, b) = (a, b)
    for _ in 0..<depth {
      let (x, y) = (loadVector(b, V.self), loadVector(b + V.scalarCount, V.self))
      upper.add(a, times: x, y)
      lower.add(a + R, times: x, y)
      a += 2 &* R
      b += 2 &* V.scalarCount
    }
  }

  /// See ``Tile/write(_:stride:accumulate:)``.
  @inlinable @inline(__always)
  public func write(_ c: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool) {
    upper.write(c, stride: stride, accumulate: accumulate)
    lower.write(c + R &* stride, stride: stride, accumulate: accumulate)
  }
}

@inlinable @inline(__always)
func loadVector<V: SIMD>(_ p: UnsafePointer<Float>, _: V.Type) -> V where V.Scalar == Float {
  UnsafeRawPointer(p).loadUnaligned(as: V.self)
}

@inlinable @inline(__always)
func loadVector<V: SIMD>(_ p: UnsafeMutablePointer<Float>, _: V.Type) -> V
where V.Scalar == Float {
  loadVector(UnsafePointer(p), V.self)
}

@inlinable @inline(__always)
func storeVector<V: SIMD>(_ v: V, _ p: UnsafeMutablePointer<Float>) where V.Scalar == Float {
  UnsafeMutableRawPointer(p).storeBytes(of: v, as: V.self)
}
