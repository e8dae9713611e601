/// The metrics of extractive question answering by the texts of answers: those of SQuAD's evaluation
/// scripts, as shares of 1 where the scripts print percents.
package struct AnswerMetrics: TaskMetrics {
  /// A question, what is right, and what a model said.
  package struct Question: Sendable {
    /// Texts of the right answers; none where there is no answer.
    package let gold: [String]
    /// The best text; empty where no window gave one.
    package let bestText: String
    /// By how much no answer scores above the best text; nil where the data does not allow it.
    package let nullDifference: Double?

    package init(gold: [String], bestText: String, nullDifference: Double?) {
      (self.gold, self.bestText, self.nullDifference) = (gold, bestText, nullDifference)
    }
  }

  /// Mean cross-entropy of both ends.
  package let loss: Double
  /// Of the texts that are given with a threshold of 0.
  package let exactMatch: Double
  package let f1: Double
  /// The same over questions that have an answer, and over those that have none.
  package let hasAnswer: (exactMatch: Double?, f1: Double?)
  package let noAnswer: (exactMatch: Double?, f1: Double?)
  /// What the best threshold for giving no answer would have reached; nil without such questions' scores.
  package let bestExact: BestThreshold?
  package let bestF1: BestThreshold?

  package struct BestThreshold: Sendable, Equatable {
    package let score: Double
    /// No answer is given where it scores above the best text by more than that.
    package let threshold: Double
  }

  package var scores: [(name: String, value: Double?)] {
    [
      ("f1", f1), ("exact_match", exactMatch), ("has_ans_f1", hasAnswer.f1),
      ("has_ans_exact", hasAnswer.exactMatch), ("no_ans_f1", noAnswer.f1),
      ("no_ans_exact", noAnswer.exactMatch), ("best_f1", bestF1?.score),
      ("best_f1_thresh", bestF1?.threshold), ("best_exact", bestExact?.score),
      ("best_exact_thresh", bestExact?.threshold), ("loss", loss),
    ]
  }
  package var headline: [(name: String, value: Double?)] {
    [("f1", f1), ("exact_match", exactMatch)]
  }

  /// - Parameters:
  ///   - loss: Of the model that answered.
  ///   - nullThreshold: No answer is given where it scores above the best text by more than that.
  /// - Precondition: At least one question.
  package init(
    questions: [Question], loss: Double, rules: AnswerText.Rules, nullThreshold: Double = 0
  ) {
    precondition(!questions.isEmpty, "metrics of no question")
    self.loss = loss
    let given = questions.map {
      ($0.nullDifference ?? -.infinity) > nullThreshold ? "" : $0.bestText
    }
    let pairs = Array(zip(questions, given))
    let exact = pairs.map { AnswerText.exactMatch($1, gold: $0.gold, rules) }
    let overlap = pairs.map { AnswerText.f1($1, gold: $0.gold, rules) }
    func mean(_ scores: [Double], where isCounted: (Question) -> Bool) -> Double? {
      let counted = questions.indices.filter { isCounted(questions[$0]) }
      return counted.isEmpty ? nil : counted.reduce(0) { $0 + scores[$1] } / Double(counted.count)
    }
    exactMatch = mean(exact) { _ in true } ?? 0
    f1 = mean(overlap) { _ in true } ?? 0
    hasAnswer = (mean(exact) { !$0.gold.isEmpty }, mean(overlap) { !$0.gold.isEmpty })
    noAnswer = (mean(exact) { $0.gold.isEmpty }, mean(overlap) { $0.gold.isEmpty })
    bestExact = bestThreshold(
      questions, scores: questions.map { AnswerText.exactMatch($0.bestText, gold: $0.gold, rules) })
    bestF1 = bestThreshold(
      questions, scores: questions.map { AnswerText.f1($0.bestText, gold: $0.gold, rules) })
  }
}

/// evaluate-v2.0.py's find_best_thresh, over the scores of the best texts: from a threshold that answers
/// nothing upwards, each question adds its score, or costs the point that silence had.
///
/// - Returns: nil unless every question has a score for no answer.
private func bestThreshold(
  _ questions: [AnswerMetrics.Question], scores: [Double]
) -> AnswerMetrics.BestThreshold? {
  let differences = questions.compactMap(\.nullDifference)
  guard differences.count == questions.count else { return nil }
  let order = questions.indices.sorted {
    differences[$0] == differences[$1] ? $0 < $1 : differences[$0] < differences[$1]
  }
  var current = Double(questions.count { $0.gold.isEmpty })
  var best = (score: current, threshold: 0.0)
  for index in order {
    if !questions[index].gold.isEmpty {
      current += scores[index]
    } else if !questions[index].bestText.isEmpty {
      current -= 1
    }
    if current > best.score { best = (current, differences[index]) }
  }
  return .init(score: best.score / Double(questions.count), threshold: best.threshold)
}
