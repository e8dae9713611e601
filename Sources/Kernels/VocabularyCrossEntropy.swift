#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Cross-entropy over a vocabulary: the loss of masked language modelling.
///
/// A row is some 30,000 logits, so the work is in vectors of float and rows go to threads; powers are
/// summed in float by runs of 1,024 and the runs in double. Rows are computed alone and their losses added
/// in order: no bit depends on the threads.
///
/// M masked positions, V vocabulary.
package enum VocabularyCrossEntropy {
  /// Elements whose sum is made in float.
  private static let run = 1024

  /// Returns the sum over the rows with a target of log Σ e^z - z[target], and replaces the logits by
  /// their gradient (softmax(z) - onehot(target)) * scale; by 0 in a row without a target.
  ///
  /// - Parameters:
  ///   - logits: [M, V], overwritten.
  ///   - targets: [M] of 0..<V or `CrossEntropy.ignoreIndex`.
  package static func forwardBackward(
    _ logits: MutableFloats, _ targets: UnsafePointer<Int32>, rows: Int, vocabulary: Int,
    scale: Float, _ pool: ThreadPool
  ) -> Double {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: rows) { losses in
      pool.run(rows) { row, _ in
        losses.initializeElement(at: row, to: 0)
        let z = logits + row * vocabulary
        guard targets[row] != CrossEntropy.ignoreIndex else {
          return z.update(repeating: 0, count: vocabulary)
        }
        let target = checked(targets[row], vocabulary)
        let largest = maximum(z, vocabulary)
        let shifted = Double(largest) - Double(z[target])
        let powers = sumOfPowers(z, vocabulary, maximum: largest, into: z)
        losses[row] = log(powers) + shifted
        // The gradient: p * scale, less scale at the target.
        let factor = Vector(repeating: Float(Double(scale) / powers))
        let p = Double(z[target]) / powers
        eachVector(vocabulary) { i, lanes in store(load(z, i, lanes) * factor, z, i, lanes) }
        z[target] = Float((p - 1) * Double(scale))
      }
      return losses.reduce(0, +)
    }
  }

  /// What evaluation wants of each row, the logits left as they are: the loss, 0 without a target, and
  /// the word with the largest logit, the first of several.
  ///
  /// - Parameters:
  ///   - losses, predictions: [M], overwritten.
  ///   - logits: [M, V]
  ///   - targets: [M] of 0..<V or `CrossEntropy.ignoreIndex`.
  package static func evaluate(
    _ losses: UnsafeMutablePointer<Double>, _ predictions: UnsafeMutablePointer<Int32>,
    _ logits: Floats, _ targets: UnsafePointer<Int32>, rows: Int, vocabulary: Int,
    _ pool: ThreadPool
  ) {
    pool.run(rows) { row, _ in
      let z = logits + row * vocabulary
      let largest = maximum(z, vocabulary)
      predictions[row] = Int32((0..<vocabulary).first { z[$0] == largest } ?? 0)
      losses[row] = 0
      guard targets[row] != CrossEntropy.ignoreIndex else { return }
      let shifted = Double(largest) - Double(z[checked(targets[row], vocabulary)])
      losses[row] = log(sumOfPowers(z, vocabulary, maximum: largest, into: nil)) + shifted
    }
  }

  private static func checked(_ target: Int32, _ count: Int) -> Int {
    precondition(0..<count ~= Int(target), "word \(target) of \(count)")
    return Int(target)
  }

  @inline(never)
  private static func maximum(_ z: Floats, _ count: Int) -> Float {
    var largest = Vector(repeating: -.infinity)
    eachVector(count) { i, lanes in
      let v = load(z, i, lanes, fill: -.infinity)
      largest.replace(with: v, where: v .> largest)
    }
    return largest.laneMaximum
  }

  /// Σ e^(z - maximum) over z [count]; the powers go into `powers` [count], which may be z.
  @inline(never)
  private static func sumOfPowers(
    _ z: Floats, _ count: Int, maximum: Float, into powers: MutableFloats?
  ) -> Double {
    var sum = 0.0
    for start in stride(from: 0, to: count, by: run) {
      let width = min(run, count - start)
      // Lanes past the end become e^(-infinity) = 0 and add nothing.
      let part = RowSum.of(width) { i, lanes in
        let e = VectorMath.exp(load(z, start &+ i, lanes, fill: -.infinity) - maximum)
        if let powers { store(e, powers, start &+ i, lanes) }
        return e
      }
      sum += Double(part)
    }
    return sum
  }
}
