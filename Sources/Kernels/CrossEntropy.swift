#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Cross-entropy of softmax(z) over classes against one class a row: the loss of multi-class and
/// token classification and of next-sentence prediction (torch.nn.CrossEntropyLoss, here with
/// reduction by sum).
///
/// In double precision throughout: the classes are few. For a vocabulary there is
/// ``VocabularyCrossEntropy``.
///
/// R rows (S sequences, or T tokens), L classes.
package enum CrossEntropy {
  /// The target of a row that has no loss, as PyTorch has it.
  package static let ignoreIndex: Int32 = -100

  /// Rows of targets [R] that have a loss: what a mean divides the sum by.
  package static func labelledCount(_ targets: UnsafePointer<Int32>, rows: Int) -> Int {
    (0..<rows).reduce(0) { $0 + (targets[$1] == ignoreIndex ? 0 : 1) }
  }

  /// Returns the sum over the rows with a target of log Σ e^z - z[target], and overwrites
  /// dlogits [R, L] = (softmax(z) - onehot(target)) * scale unless nil; 0 in a row without a target.
  /// dlogits may alias logits.
  ///
  /// - Parameters:
  ///   - logits: [R, L]
  ///   - targets: [R] of 0..<L or ``ignoreIndex``; anything else is a programmer's error, to be refused
  ///     where the labels are read.
  package static func forwardBackward(
    _ dlogits: MutableFloats?, _ logits: Floats, _ targets: UnsafePointer<Int32>, rows: Int,
    classes: Int, scale: Float
  ) -> Double {
    var sum = 0.0
    for r in 0..<rows {
      let target = targets[r] == ignoreIndex ? nil : Int(targets[r])
      sum += row(
        dlogits.map { $0 + r * classes }, logits + r * classes, stride: 1, classes: classes,
        target: target,
        scale: scale)
    }
    return sum
  }

  /// The loss and gradient of one row, whose L logits are `stride` apart, as its gradients are.
  ///
  /// Shifted by the largest logit no power overflows: log Σ e^(z - m) + m - z[target].
  static func row(
    _ dlogits: MutableFloats?, _ logits: Floats, stride: Int, classes: Int, target: Int?,
    scale: Float
  ) -> Double {
    guard let target else {
      if let dlogits { for c in 0..<classes { dlogits[c * stride] = 0 } }
      return 0
    }
    precondition(0..<classes ~= target, "class \(target) of \(classes)")
    var largest = logits[0]
    for c in 1..<classes { largest = logits[c * stride] > largest ? logits[c * stride] : largest }
    let m = Double(largest)
    var powers = 0.0
    for c in 0..<classes { powers += exp(Double(logits[c * stride]) - m) }
    let loss = log(powers) + (m - Double(logits[target * stride]))
    guard let dlogits else { return loss }
    for c in 0..<classes {
      let p = exp(Double(logits[c * stride]) - m) / powers
      dlogits[c * stride] = Float((p - (c == target ? 1 : 0)) * Double(scale))
    }
    return loss
  }
}
