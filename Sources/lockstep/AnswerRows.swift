import Shards
import Tokenizers

/// Questions with windows of their contexts, as Hugging Face's run_qa cuts them: the question whole, the
/// context in stretches that overlap by `stride` tokens. A window without the whole answer is labelled
/// with the first token, which stands for no answer.
struct AnswerRows: ShardRows {
  let questions: [AnsweredQuestion]
  let tokenizer: Tokenizer
  let maxLength: Int
  let stride: Int

  var labelNames: [String] { [] }
  let hasPairs = true
  var note: String? { nil }

  private struct Token {
    let id: Int32
    /// In the context's UTF-8.
    let range: Range<Int>
  }

  func countRows() throws -> Int {
    var count = 0
    try forEachRow { _ in count += 1 }
    return count
  }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    let special = tokenizer.numSpecialTokens(isPair: true)
    for question in questions {
      let tokens = pieces(of: question.context).flatMap { piece in
        tokenizer.tokens(of: piece.text).map { Token(id: $0, range: piece.range) }
      }
      // Half of the room at most, so that windows go forward.
      let asked = Array(
        tokenizer.tokens(of: question.question).prefix(max(1, (maxLength - special) / 2)))
      let room = maxLength - special - asked.count
      let step = max(1, room - min(stride, room - 1))
      var start = 0
      repeat {
        let window = tokens[min(start, tokens.count)..<min(start + room, tokens.count)]
        try body(row(question, asked, Array(window)))
        start += step
      } while start - step + room < tokens.count
    }
  }

  private func row(
    _ question: AnsweredQuestion, _ asked: [Int32], _ window: [Token]
  ) -> ShardRow {
    let (encoding, _, second) = tokenizer.assemble(asked, pair: window.map(\.id))
    let start = second ?? 0
    var ranges = [Range<Int>?](repeating: nil, count: encoding.ids.count)
    for (index, token) in window.enumerated() { ranges[start + index] = token.range }
    var span: [Int32] = [0, 0]
    if let answer = question.answerRange,
      let first = window.firstIndex(where: { $0.range.upperBound > answer.lowerBound }),
      let last = window.lastIndex(where: { $0.range.lowerBound < answer.upperBound }),
      window[first].range.lowerBound <= answer.lowerBound,
      window[last].range.upperBound >= answer.upperBound, first <= last
    {
      span = [Int32(start + first), Int32(start + last)]
    }
    return ShardRow(
      encoding: encoding, id: question.id, labels: RowLabels(.questionAnswering, span),
      context: AnswerContext(
        context: question.context, answers: question.answers, ranges: ranges))
  }
}
