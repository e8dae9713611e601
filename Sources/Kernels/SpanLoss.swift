/// The loss of extractive question answering: cross-entropies of where the answer starts and ends, each
/// over the tokens of its own sequence (BertForQuestionAnswering, here with reduction by sum).
///
/// T tokens, S sequences.
package enum SpanLoss {
  /// Targets that lie in their sequence: what a mean divides the sum by, 2 S where every row has both.
  ///
  /// - Parameters:
  ///   - targets: [S, 2], start and end as token positions in the sequence.
  ///   - cumulativeLengths: [S+1]
  package static func labelledCount(
    _ targets: UnsafePointer<Int32>, cumulativeLengths: UnsafePointer<Int32>, sequences: Int
  ) -> Int {
    (0..<2 * sequences).reduce(0) { sum, i in
      let length = cumulativeLengths[i / 2 + 1] - cumulativeLengths[i / 2]
      return sum + (0..<length ~= targets[i] ? 1 : 0)
    }
  }

  /// Returns the sum over sequences of the cross-entropy of the start plus that of the end, and
  /// overwrites dlogits [T, 2] with its gradient times `scale` unless nil. dlogits may alias logits.
  ///
  /// Hugging Face's loss is the mean of both, averaged over the rows: this sum over 2 S, so `scale` is
  /// 1 / (2 S). A target outside of its sequence has no loss and no gradient.
  ///
  /// - Parameters:
  ///   - logits: [T, 2], start and end.
  ///   - targets: [S, 2], start and end as token positions in the sequence.
  ///   - cumulativeLengths: [S+1]
  package static func forwardBackward(
    _ dlogits: MutableFloats?, _ logits: Floats, _ targets: UnsafePointer<Int32>,
    cumulativeLengths: UnsafePointer<Int32>, sequences: Int, scale: Float
  ) -> Double {
    var sum = 0.0
    for s in 0..<sequences {
      let first = Int(cumulativeLengths[s])
      let length = Int(cumulativeLengths[s + 1]) - first
      for side in 0..<2 {
        let target = Int(targets[2 * s + side])
        sum += CrossEntropy.row(
          dlogits.map { $0 + (2 * first + side) }, logits + (2 * first + side), stride: 2,
          classes: length, target: 0..<length ~= target ? target : nil, scale: scale)
      }
    }
    return sum
  }
}
