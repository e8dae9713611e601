#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Binary cross-entropy of sigmoid(z) against labels in 0...1: the loss of multi-label
/// classification (torch.nn.BCEWithLogitsLoss, here with reduction by sum).
///
/// In double precision throughout: S sequences times L labels are few.
package enum BCEWithLogits {
  /// Returns the sum over `count` elements of -y log σ(z) - (1 - y) log(1 - σ(z)), and overwrites
  /// dlogits [count] = (σ(z) - y) * scale unless nil. dlogits may alias logits.
  ///
  /// With e^(-|z|) alone nothing overflows: max(z, 0) - z y + log(1 + e^(-|z|)).
  package static func forwardBackward(
    _ dlogits: MutableFloats?, _ logits: Floats, _ labels: Floats, count: Int, scale: Float
  ) -> Double {
    var sum = 0.0
    for i in 0..<count {
      let z = Double(logits[i])
      let y = Double(labels[i])
      sum += (z > 0 ? z : z * 0) - z * y + log1p(exp(-abs(z)))
      if let dlogits { dlogits[i] = Float((logistic(z) - y) * Double(scale)) }
    }
    return sum
  }

  /// The same with a weight for each label's positive term (torch's `pos_weight`): returns the sum over
  /// S rows and L labels of -w y log σ(z) - (1 - y) log(1 - σ(z)), and overwrites
  /// dlogits [S, L] = (σ(z) (1 + (w - 1) y) - w y) * scale unless nil. dlogits may alias logits.
  ///
  /// Weights of 1 give the bits of the unweighted loss where labels are 0 or 1.
  ///
  /// - Parameters:
  ///   - logits, labels: [S, L].
  ///   - positiveWeights: [L], from 0.
  package static func forwardBackward(
    _ dlogits: MutableFloats?, _ logits: Floats, _ labels: Floats, positiveWeights: Floats,
    rows: Int, labels labelCount: Int, scale: Float
  ) -> Double {
    var sum = 0.0
    for i in 0..<rows * labelCount {
      let z = Double(logits[i])
      let y = Double(labels[i])
      let w = Double(positiveWeights[i % labelCount])
      // -log σ(z) = max(-z, 0) + log(1 + e^(-|z|)), and -log(1 - σ(z)) is that plus z.
      let both = 1 + (w - 1) * y
      sum += (1 - y) * z + both * (z < 0 ? -z : z * 0) + both * log1p(exp(-abs(z)))
      if let dlogits { dlogits[i] = Float((logistic(z) * both - w * y) * Double(scale)) }
    }
    return sum
  }

  /// y [count] = σ(z [count]); y may alias z.
  package static func sigmoid(_ y: MutableFloats, _ z: Floats, count: Int) {
    for i in 0..<count { y[i] = Float(logistic(Double(z[i]))) }
  }

  private static func logistic(_ z: Double) -> Double {
    let e = exp(-abs(z))
    return z < 0 ? e / (1 + e) : 1 / (1 + e)
  }
}
