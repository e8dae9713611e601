import Foundation
import Manifests
import Shards
import Tokenizers
import Training

/// Answers questions with a part of their contexts, which are read in windows as in training.
struct AnswerPredictor: Predictor {
  let model: TextModel
  /// Tokens that neighbouring windows of a context have in common: see `AnswerRows`.
  let stride: Int?
  /// By how much no answer has to score above the best one for none to be given; nil: never.
  let nullThreshold: Double?

  func predictions(for rows: [PredictionRow]) throws -> [any Prediction] {
    var windows = [[ShardRow]](repeating: [], count: rows.count)
    let questions = rows.enumerated().map { index, row in
      AnsweredQuestion(id: String(index), question: row.text, context: row.pair ?? "")
    }
    try AnswerRows(
      questions: questions, tokenizer: model.tokenizer, maxLength: model.maxLength, stride: stride
    ).forEachRow { row in
      if let index = Int(row.id) { windows[index].append(row) }
    }
    let logits = try model.logits(of: windows.joined().map(\.encoding), columns: 2)
    var first = 0
    return zip(rows, windows).map { row, windows in
      defer { first += windows.count }
      return answer(row, windows, Array(logits[first..<first + windows.count]))
    }
  }

  private func answer(
    _ row: PredictionRow, _ windows: [ShardRow], _ logits: [[Float]]
  ) -> AnswerPrediction {
    let decoded = AnswerDecoder(allowsNoAnswer: nullThreshold != nil).decode(
      zip(windows, logits).map { window, logits in
        let ranges = window.context?.ranges ?? []
        return AnswerWindow(logits: logits, tokens: ranges.indices, ranges: ranges)
      })
    let range = decoded.answer(nullThreshold: nullThreshold ?? 0)
    let chosen = decoded.candidates.first { $0.range == range }
    return AnswerPrediction(row: row, range: range, score: chosen?.probability ?? 0)
  }
}

private struct AnswerPrediction: Prediction {
  let row: PredictionRow
  /// In the context's UTF-8; nil for no answer.
  let range: Range<Int>?
  let score: Double

  private var answer: String? { range.map { answerText($0, in: row.pair ?? "") } }

  private enum CodingKeys: String, CodingKey { case id, question, answer, start, end, score }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encodeIfPresent(row.id, forKey: .id)
    try values.encode(row.text, forKey: .question)
    try values.encode(answer, forKey: .answer)
    try values.encode(range.map { scalars(before: $0.lowerBound) }, forKey: .start)
    try values.encode(range.map { scalars(before: $0.upperBound) }, forKey: .end)
    try values.encode(score, forKey: .score)
  }

  /// Code points of the context, which is how SQuAD's `answer_start` counts.
  private func scalars(before byte: Int) -> Int {
    (row.pair ?? "").utf8.prefix(byte).count { $0 & 0xC0 != 0x80 }
  }

  var lines: String {
    let text = answer.map { printable($0) + String(format: " %.2f", score) } ?? "none"
    return text + "\t" + printable(row.text)
  }
}
