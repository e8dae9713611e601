// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// What the convolution that leads from molecules back to characters sees (Clark et al., arXiv
/// 2103.06874, section 3.2; Hugging Face's `_repeat_molecules` and `ConvProjection`): beside each
/// character the molecule that stands for it, and of these pairs a window around every character, with
/// zeros beyond the sequence.
///
/// A sequence of n characters has n / R molecules. Its first one stands for the whole sequence, so
/// molecule m stands for the R characters from R·(m - 1) on, and the last one for the R after them too.
///
/// T characters, M = T / R molecules, R characters of a molecule, K window, H hidden.
package struct Upsampling {
  /// [S+1] By characters; all multiples of R.
  let cumulativeLengths: UnsafeBufferPointer<Int32>
  /// R
  let rate: Int
  /// K
  let window: Int
  /// H
  let width: Int

  package init(
    cumulativeLengths: UnsafeBufferPointer<Int32>, rate: Int, window: Int, width: Int
  ) {
    self.cumulativeLengths = cumulativeLengths
    self.rate = rate
    self.window = window
    self.width = width
  }

  private var characters: Int { Int(cumulativeLengths[cumulativeLengths.count - 1]) }
  /// Characters of a window before its own.
  private var before: Int { (window - 1) / 2 }

  /// windows [T,K,2H] of characters [T,H] and molecules [M,H]; overwritten.
  package func forward(
    _ windows: MutableFloats, _ characters: Floats, _ molecules: Floats, _ pool: ThreadPool
  ) {
    let H = width
    pool.run(over: self.characters, grain: rowGrain(width: 2 * window * H)) { tokens, _ in
      eachCharacter(of: tokens) { t, sequence in
        for k in 0..<window {
          let pair = windows + (t * window + k) * 2 * H
          let seen = t + k - before
          guard sequence.contains(seen) else {
            pair.update(repeating: 0, count: 2 * H)
            continue
          }
          pair.update(from: characters + seen * H, count: H)
          (pair + H).update(from: molecules + molecule(of: seen, sequence) * H, count: H)
        }
      }
    }
  }

  /// The gradients of `forward`, from dwindows [T,K,2H]: dcharacters [T,H] and dmolecules [M,H], both
  /// overwritten. A molecule's characters are added in their order.
  package func backward(
    _ dcharacters: MutableFloats, _ dmolecules: MutableFloats, _ dwindows: Floats,
    _ pool: ThreadPool
  ) {
    let H = width
    pool.run(over: characters, grain: rowGrain(width: 2 * window * H)) { tokens, _ in
      eachCharacter(of: tokens) { t, sequence in
        eachVector(H) { c, lanes in
          store(seenGradient(dwindows + c, t, sequence, lanes), dcharacters, t &* H &+ c, lanes)
        }
      }
    }
    pool.run(over: characters / rate, grain: rowGrain(width: 2 * window * rate * H)) { rows, _ in
      eachCharacter(of: rows.lowerBound * rate..<rows.upperBound * rate) { t, sequence in
        guard t % rate == 0 else { return }
        let m = t / rate
        let own = characters(of: m, sequence)
        eachVector(H) { c, lanes in
          var sum = Vector()
          for t in own { sum += seenGradient(dwindows + (H + c), t, sequence, lanes) }
          store(sum, dmolecules, m &* H &+ c, lanes)
        }
      }
    }
  }

  /// The gradient of some lanes of a character's pair: the sum over the windows that have it.
  ///
  /// - Parameter d: dwindows from the lanes' first column on.
  @inline(__always)
  private func seenGradient(_ d: Floats, _ t: Int, _ sequence: Range<Int>, _ lanes: Int) -> Vector {
    var sum = Vector()
    for k in 0..<window {
      let centre = t &- k &+ before
      guard sequence.contains(centre) else { continue }
      sum += load(d, (centre &* window &+ k) &* 2 &* width, lanes)
    }
    return sum
  }

  /// The molecule that stands for a character, both by their places in the batch.
  private func molecule(of t: Int, _ sequence: Range<Int>) -> Int {
    min(t / rate + 1, sequence.upperBound / rate - 1)
  }

  /// The characters that a molecule stands for: those `molecule(of:_:)` gives it for.
  private func characters(of m: Int, _ sequence: Range<Int>) -> Range<Int> {
    let isFirst = m == sequence.lowerBound / rate
    let isLast = m == sequence.upperBound / rate - 1
    let first = isFirst ? sequence.lowerBound : (m - 1) * rate
    return first..<(isLast ? sequence.upperBound : isFirst ? first : m * rate)
  }

  /// Calls `body` for each of some characters, with the range of its sequence.
  private func eachCharacter(
    of tokens: Range<Int>, _ body: (_ t: Int, _ sequence: Range<Int>) -> Void
  ) {
    var s = 0
    for t in tokens {
      while Int(cumulativeLengths[s + 1]) <= t { s += 1 }
      body(t, Int(cumulativeLengths[s])..<Int(cumulativeLengths[s + 1]))
    }
  }
}
