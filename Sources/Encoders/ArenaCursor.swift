import Kernels

/// Hands out 64-byte aligned pieces of an arena, or only counts what they would take.
struct ArenaCursor {
  /// nil while counting: the pieces are then never read or written.
  let base: MutableFloats?
  private(set) var used = 0

  init(base: MutableFloats?) { self.base = base }

  mutating func take(_ count: Int) -> MutableFloats {
    let start = used
    used += (count + 15) / 16 * 16
    return base.map { $0 + start } ?? Self.nowhere
  }

  /// Stands for a buffer that nobody has taken yet.
  static var nowhere: MutableFloats { MutableFloats(bitPattern: 64).unsafelyUnwrapped }
}

/// How large a batch the buffers take.
struct Capacity {
  var tokens = 0
  var sequences = 0
  var longest = 0
  /// Σ n² over the sequences.
  var squares = 0
  /// Hidden words that a head predicts.
  var masked = 0

  func holds(_ other: Capacity) -> Bool {
    tokens >= other.tokens && sequences >= other.sequences && longest >= other.longest
      && squares >= other.squares && masked >= other.masked
  }

  /// A fifth more than needed of what grows, so that a slowly rising batch size settles soon.
  func grown(toHold other: Capacity) -> Capacity {
    func grow(_ have: Int, _ need: Int) -> Int { have >= need ? have : need + need / 5 }
    return Capacity(
      tokens: grow(tokens, other.tokens), sequences: grow(sequences, other.sequences),
      longest: grow(longest, other.longest), squares: grow(squares, other.squares),
      masked: grow(masked, other.masked))
  }
}
