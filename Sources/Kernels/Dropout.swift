// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Names the random numbers of one dropout layer in one training step; probability 0 is no dropout.
package struct DropoutKey: Sendable {
  package let probability: Float
  private let key: SIMD2<UInt32>
  private let site: UInt32
  private let step: UInt32
  private let threshold: UInt32
  private let scale: Float

  /// - Parameters:
  ///   - step: the global training step, below 2^32.
  ///   - site: the layer's number among the model's dropout layers, below 2^28.
  ///   - probability: of an element to become 0, in 0..<1.
  package init(seed: UInt64, step: UInt64, site: UInt32, probability: Float) {
    precondition(probability >= 0 && probability < 1, "dropout probability \(probability)")
    precondition(site < 1 << 28, "dropout site \(site) is not below 2^28")
    self.probability = probability
    key = Philox4x32.key(seed: seed)
    self.site = Philox4x32.Domain.dropout.bits | site
    self.step = UInt32(step)
    threshold = UInt32((Double(probability) * 0x1p32).rounded())
    scale = Float(1 / (1 - Double(probability)))
  }

  /// Whether anything is dropped.
  var isActive: Bool { probability > 0 }

  /// Counters that a row of `width` elements takes.
  @inline(__always)
  static func blocks(width: Int) -> Int { (width + 3) / 4 }

  /// The factors, 0 or 1 / (1 - probability), of the 32 elements from counter `block` on.
  @inline(__always)
  private func factors(row: UInt32, block: Int) -> (Vector, Vector, Vector, Vector) {
    let words = Philox4x32.blocks(
      counter: SIMD4(UInt32(truncatingIfNeeded: block), site, row, step), key: key)
    return (factor(words.0), factor(words.1), factor(words.2), factor(words.3))
  }

  @inline(__always)
  private func factor(_ words: SIMD8<UInt32>) -> Vector {
    Vector(repeating: scale).replacing(
      with: 0, where: words .< SIMD8<UInt32>(repeating: threshold))
  }

  /// y[c] = f(factor of element c, c, lanes) for the `count` elements that start at counter `block`
  /// of dataset row `row`.
  @inline(__always)
  func map(
    _ y: MutableFloats, count: Int, row: UInt32, block: Int,
    _ f: (_ factor: Vector, _ c: Int, _ lanes: Int) -> Vector
  ) {
    precondition(block + DropoutKey.blocks(width: count) <= 1 << 32, "dropout counter overflow")
    var c = 0
    while c + 32 <= count {
      let factors = factors(row: row, block: block &+ c / 4)
      store(f(factors.0, c, 8), y, c, 8)
      store(f(factors.1, c &+ 8, 8), y, c &+ 8, 8)
      store(f(factors.2, c &+ 16, 8), y, c &+ 16, 8)
      store(f(factors.3, c &+ 24, 8), y, c &+ 24, 8)
      c &+= 32
    }
    guard c < count else { return }
    var (factor, second, third, fourth) = factors(row: row, block: block &+ c / 4)
    while c < count {
      let lanes = min(8, count &- c)
      store(f(factor, c, lanes), y, c, lanes)
      (factor, second, third) = (second, third, fourth)
      fourth = Vector()
      c &+= 8
    }
  }
}

/// Of each packed token, where its dropout is keyed: independent of its place in the batch.
package struct TokenCoordinates {
  /// [T] the row in the dataset.
  package let rows: UnsafePointer<UInt32>
  /// [T] the position within its sequence.
  package let positions: UnsafePointer<UInt32>

  package init(rows: UnsafePointer<UInt32>, positions: UnsafePointer<UInt32>) {
    self.rows = rows
    self.positions = positions
  }
}

/// Dropout whose mask is generated where it is used, forward and backward, and never stored.
///
/// Element (dataset row, position p, column c) of a [T, H] activation takes word c % 4 of counter
/// (p * ceil(H/4) + c/4, site, row, step) under the seed as key (see `Philox4x32`). It is kept if the
/// word is at least round(probability * 2^32), and then scaled by 1 / (1 - probability).
///
/// T tokens, S sequences, H width.
package enum Dropout {
  /// y [T,H] = x [T,H] * mask; y may alias x. The same call on dy is its backward pass.
  package static func apply(
    _ y: MutableFloats, _ x: Floats, _ key: DropoutKey, _ at: TokenCoordinates,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        row(y + t * H, x + t * H, key, row: at.rows[t], position: at.positions[t], width: H)
      }
    }
  }

  /// y [S,H] = x [S,H] * mask for one vector a sequence, keyed as position 0; y may alias x. The same
  /// call on dy is its backward pass.
  package static func applyRows(
    _ y: MutableFloats, _ x: Floats, _ key: DropoutKey, sequenceRows: UnsafePointer<UInt32>,
    rows S: Int, width H: Int
  ) {
    for s in 0..<S {
      row(y + s * H, x + s * H, key, row: sequenceRows[s], position: 0, width: H)
    }
  }

  private static func row(
    _ y: MutableFloats, _ x: Floats, _ key: DropoutKey, row: UInt32, position: UInt32,
    width H: Int
  ) {
    if key.isActive {
      let block = Int(position) * DropoutKey.blocks(width: H)
      key.map(y, count: H, row: row, block: block) { factor, c, lanes in
        load(x, c, lanes) * factor
      }
    } else if y != x {
      y.update(from: x, count: H)
    }
  }
}

/// Rows of `width` floats in a block of a row-wise kernel: about 32 KiB.
func rowGrain(width: Int) -> Int { max(1, 8192 / max(width, 1)) }
