import Shards
import Tokenizers

/// Questions with windows of their contexts, as Hugging Face's run_qa cuts them: the question whole, the
/// context in stretches that overlap by `stride` tokens. A window without the whole answer is labelled
/// with the first token, which stands for no answer.
final class AnswerRows: ShardRows {
  private let questions: [AnsweredQuestion]
  private let tokenizer: Tokenizer
  private let maxLength: Int
  private let stride: Int?
  /// Answers of characters that normalising removes.
  private var lostAnswers = 0

  let labelNames: [String] = []
  let hasPairs = true

  /// - Parameter stride: Tokens that neighbouring windows have in common; nil: 128, or half of a window
  ///   that has less room than twice that.
  /// - Precondition: The stride is at most ``mostStride(tokenizer:maxLength:)``.
  init(questions: [AnsweredQuestion], tokenizer: Tokenizer, maxLength: Int, stride: Int?) {
    precondition(
      (stride ?? 0) <= Self.mostStride(tokenizer: tokenizer, maxLength: maxLength),
      "windows go forward")
    (self.questions, self.tokenizer) = (questions, tokenizer)
    (self.maxLength, self.stride) = (maxLength, stride)
  }

  /// The largest stride with which windows go forward by a token at least, after the longest question.
  static func mostStride(tokenizer: Tokenizer, maxLength: Int) -> Int {
    let room = maxLength - tokenizer.numSpecialTokens(isPair: true)
    return room - max(1, room / 2) - 1
  }

  var note: String? {
    lostAnswers > 0 ? "\(lostAnswers) answers have no token: labelled 0, 0" : nil
  }

  func countRows() throws -> Int {
    var count = 0
    try forEachRow { _ in count += 1 }
    return count
  }

  func forEachRow(_ body: (ShardRow) throws -> Void) throws {
    let special = tokenizer.numSpecialTokens(isPair: true)
    lostAnswers = 0
    // Questions of one context follow each other.
    var (context, tokens): (String?, [LocatedToken]) = (nil, [])
    for question in questions {
      if context?.utf8.elementsEqual(question.context.utf8) != true {
        context = question.context
        tokens = tokenizer.locatedTokens(of: question.context)
      }
      let answer = question.answerRange.flatMap { span(of: $0, in: tokens) }
      if question.answerRange != nil, answer == nil { lostAnswers += 1 }
      // White space before a question is no part of it, as in run_qa.
      let text = question.question.unicodeScalars.drop { $0.properties.isWhitespace }
      // Half of the room at most, so that windows go forward.
      let asked = Array(
        tokenizer.tokens(of: String(text)).prefix(max(1, (maxLength - special) / 2)))
      let room = maxLength - special - asked.count
      let step = room - (stride ?? min(128, room / 2))
      var start = 0
      repeat {
        let window = start..<min(start + room, tokens.count)
        try body(row(question, asked, tokens, window, answer))
        start += step
      } while start - step + room < tokens.count
    }
  }

  /// The tokens that have something of an answer; nil where none has.
  private func span(of answer: Range<Int>, in tokens: [LocatedToken]) -> ClosedRange<Int>? {
    guard let first = tokens.firstIndex(where: { $0.range.upperBound > answer.lowerBound }),
      let last = tokens.lastIndex(where: { $0.range.lowerBound < answer.upperBound }), first <= last
    else { return nil }
    return first...last
  }

  /// - Parameters:
  ///   - tokens: Of the whole context.
  ///   - window: Of those, the row's.
  ///   - answer: Of the whole context too.
  private func row(
    _ question: AnsweredQuestion, _ asked: [Int32], _ tokens: [LocatedToken], _ window: Range<Int>,
    _ answer: ClosedRange<Int>?
  ) -> ShardRow {
    let (encoding, _, second) = tokenizer.assemble(asked, pair: tokens[window].map(\.id))
    let start = (second ?? 0) - window.lowerBound
    var ranges = [Range<Int>?](repeating: nil, count: encoding.ids.count)
    for index in window { ranges[start + index] = tokens[index].range }
    var span: [Int32] = [0, 0]
    if let answer, window.contains(answer.lowerBound), window.contains(answer.upperBound) {
      span = [Int32(start + answer.lowerBound), Int32(start + answer.upperBound)]
    }
    return ShardRow(
      encoding: encoding, id: question.id, labels: RowLabels(.questionAnswering, span),
      context: AnswerContext(
        context: question.context, answers: question.answers, ranges: ranges))
  }
}
