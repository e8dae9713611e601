/// An 8 × 8 block, transposed in registers in three rounds of exchanges.
struct Transposition {
  private var r0, r1, r2, r3, r4, r5, r6, r7: Vector

  /// Reads `rows` rows of `lanes` floats, `stride` apart; the rest is zeros.
  @inline(__always)
  init(_ p: Floats, stride: Int, rows: Int, _ lanes: Int) {
    @inline(__always)
    func row(_ i: Int) -> Vector { i < rows ? load(p, i &* stride, lanes) : Vector() }
    (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3))
    (r4, r5, r6, r7) = (row(4), row(5), row(6), row(7))
    (r0, r1) = Transposition.exchange1(r0, r1)
    (r2, r3) = Transposition.exchange1(r2, r3)
    (r4, r5) = Transposition.exchange1(r4, r5)
    (r6, r7) = Transposition.exchange1(r6, r7)
    (r0, r2) = Transposition.exchange2(r0, r2)
    (r1, r3) = Transposition.exchange2(r1, r3)
    (r4, r6) = Transposition.exchange2(r4, r6)
    (r5, r7) = Transposition.exchange2(r5, r7)
    (r0, r4) = Transposition.exchange4(r0, r4)
    (r1, r5) = Transposition.exchange4(r1, r5)
    (r2, r6) = Transposition.exchange4(r2, r6)
    (r3, r7) = Transposition.exchange4(r3, r7)
  }

  /// Writes the first `rows` rows of the transpose, `stride` apart.
  @inline(__always)
  func write(_ p: MutableFloats, stride: Int, rows: Int) {
    eachRow(rows) { i, v in store(v, p, i &* stride, 8) }
  }

  /// Adds the first `rows` rows and `lanes` columns of the transpose, `stride` apart.
  @inline(__always)
  func add(to p: MutableFloats, stride: Int, rows: Int, _ lanes: Int) {
    eachRow(rows) { i, v in
      store(load(p, i &* stride, lanes) + v, p, i &* stride, lanes)
    }
  }

  @inline(__always)
  private func eachRow(_ rows: Int, _ body: (Int, Vector) -> Void) {
    @inline(__always)
    func put(_ i: Int, _ v: Vector) { if i < rows { body(i, v) } }
    put(0, r0)
    put(1, r1)
    put(2, r2)
    put(3, r3)
    put(4, r4)
    put(5, r5)
    put(6, r6)
    put(7, r7)
  }

  /// Swaps odd lanes of a with even lanes of b.
  @inline(__always)
  private static func exchange1(_ a: Vector, _ b: Vector) -> (Vector, Vector) {
    (
      Vector(a[0], b[0], a[2], b[2], a[4], b[4], a[6], b[6]),
      Vector(a[1], b[1], a[3], b[3], a[5], b[5], a[7], b[7])
    )
  }

  /// Swaps odd pairs of a with even pairs of b.
  @inline(__always)
  private static func exchange2(_ a: Vector, _ b: Vector) -> (Vector, Vector) {
    (
      Vector(a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]),
      Vector(a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7])
    )
  }

  /// Swaps the upper half of a with the lower half of b.
  @inline(__always)
  private static func exchange4(_ a: Vector, _ b: Vector) -> (Vector, Vector) {
    (
      Vector(lowHalf: a.lowHalf, highHalf: b.lowHalf),
      Vector(lowHalf: a.highHalf, highHalf: b.highHalf)
    )
  }
}
