import Foundation

/// What a model says of one window of a context.
package struct AnswerWindow: Sendable {
  /// [tokens] Logits of an answer's first and last token; the first token is the one that stands for no
  /// answer, [CLS] or <s>.
  package let startLogits: [Float]
  package let endLogits: [Float]
  /// [tokens] Where the token lies in the context's UTF-8; nil for tokens of the question and special
  /// ones.
  package let offsets: [Range<Int>?]

  /// - Precondition: At least one token.
  package init(startLogits: [Float], endLogits: [Float], offsets: [Range<Int>?]) {
    precondition(
      !offsets.isEmpty && startLogits.count == offsets.count && endLogits.count == offsets.count,
      "two logits and an offset for each token")
    (self.startLogits, self.endLogits, self.offsets) = (startLogits, endLogits, offsets)
  }

  /// A window out of a batch.
  ///
  /// - Parameters:
  ///   - logits: [T, 2] of the batch's tokens.
  ///   - tokens: The window's among them.
  ///   - ranges: [tokens] Where each lies in the context.
  package init(logits: [Float], tokens: Range<Int>, ranges: [Range<Int>?]) {
    self.init(
      startLogits: tokens.map { logits[2 * $0] }, endLogits: tokens.map { logits[2 * $0 + 1] },
      offsets: ranges)
  }
}

/// Answers out of the logits of a context's windows, which may overlap: postprocess_qa_predictions of
/// Hugging Face's run_qa.
///
/// Each window's `candidateCount` likeliest first and last tokens are paired; a pair of the context's
/// tokens, in order and not too long, is a candidate, scored by the sum of its logits. The best
/// candidates of all windows are kept. No answer is a candidate too where the data allows it, scored by
/// the window that is least for it: all have to agree.
///
/// Where logits are equal, earlier tokens and windows come first; NumPy leaves their order open.
package struct AnswerDecoder: Sendable {
  /// run_qa's `n_best_size` and `max_answer_length` (in tokens).
  package var candidateCount = 20
  package var longestAnswer = 30
  /// Whether a question may have no answer, as in SQuAD 2.
  package var allowsNoAnswer: Bool

  package init(allowsNoAnswer: Bool) { self.allowsNoAnswer = allowsNoAnswer }

  /// - Parameter windows: Of one question, in the order of the context.
  package func decode(_ windows: [AnswerWindow]) -> DecodedAnswers {
    let nullScore = windows.map { $0.startLogits[0] + $0.endLogits[0] }.min()
    var found = windows.flatMap(candidates)
    let null = AnswerCandidate(range: nil, score: Double(nullScore ?? 0))
    if allowsNoAnswer, !windows.isEmpty { found.append(null) }
    var kept = best(found.map(\.score)).map { found[$0] }
    if allowsNoAnswer, !windows.isEmpty, !kept.contains(where: { $0.range == nil }) {
      kept.append(null)
    }
    for (index, probability) in softmax(kept.map(\.score)).enumerated() {
      kept[index].probability = probability
    }
    return DecodedAnswers(
      candidates: kept, nullScore: allowsNoAnswer ? nullScore.map(Double.init) : nil)
  }

  private func candidates(in window: AnswerWindow) -> [AnswerCandidate] {
    let starts = best(window.startLogits)
    let ends = best(window.endLogits)
    return starts.flatMap { start in
      ends.compactMap { end in
        guard let first = window.offsets[start], let last = window.offsets[end], start <= end,
          end - start < longestAnswer
        else { return nil }
        let score = window.startLogits[start] + window.endLogits[end]
        return AnswerCandidate(
          range: first.lowerBound..<max(first.lowerBound, last.upperBound), score: Double(score))
      }
    }
  }

  /// The indices of the largest values, largest first.
  private func best<Value: Comparable>(_ values: [Value]) -> [Int] {
    let order = values.indices.sorted {
      values[$0] == values[$1] ? $0 < $1 : values[$0] > values[$1]
    }
    return Array(order.prefix(candidateCount))
  }
}

package struct AnswerCandidate: Sendable, Equatable {
  /// In the context's UTF-8; nil for no answer.
  package let range: Range<Int>?
  /// Sum of the logits of both ends.
  package let score: Double
  /// Softmax of the scores of the candidates that were kept.
  package fileprivate(set) var probability = 0.0

  fileprivate init(range: Range<Int>?, score: Double) { (self.range, self.score) = (range, score) }
}

package struct DecodedAnswers: Sendable, Equatable {
  /// Best first.
  package let candidates: [AnswerCandidate]
  /// Of no answer; nil where the data does not allow it.
  package let nullScore: Double?

  /// The best candidate that has text; nil where no window has any, for which run_qa invents the answer
  /// "empty".
  package var bestAnswer: AnswerCandidate? { candidates.first { $0.range?.isEmpty == false } }

  /// By how much no answer scores above the best answer; nil where the data does not allow it.
  package var nullDifference: Double? { nullScore.map { $0 - (bestAnswer?.score ?? 0) } }

  /// Where the answer lies in the context's UTF-8; nil for no answer.
  ///
  /// - Parameter nullThreshold: No answer has to score above the best one by more than that.
  package func answer(nullThreshold: Double = 0) -> Range<Int>? {
    if let nullDifference, nullDifference > nullThreshold { return nil }
    return bestAnswer?.range
  }
}

/// The part of a context that an answer is; empty for no answer.
///
/// - Parameter range: In the context's UTF-8.
package func answerText(_ range: Range<Int>?, in context: String) -> String {
  guard let range else { return "" }
  return String(decoding: Array(context.utf8)[range], as: UTF8.self)
}
