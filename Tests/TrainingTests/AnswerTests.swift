import Foundation
import GoldenFolders
import Testing
import Training

/// Answers of questions: decoding, texts and scores, beside transformers' run_qa and SQuAD's scripts.
/// Tests/Interop/metrics_fixture.py writes the fixture.
@Suite struct AnswerTests {
  private struct Fixture: Decodable {
    let texts: [Text]
    let questions: [Questions]
    let answers: [Answers]
  }

  private struct Text: Decodable {
    let text: String
    let normalized: String
  }

  private struct Questions: Decodable {
    let gold: [[String]]
    let best: [String]
    let difference: [Double]
    let squad1: [String: Double]?
    let squad2: [String: Double]
  }

  private struct Answers: Decodable {
    struct Window: Decodable {
      let start: [Float]
      let end: [Float]
      let offsets: [[Int]?]
    }
    struct Result: Decodable {
      struct Candidate: Decodable {
        let text: String
        let probability: Double
      }
      let text: String
      let candidates: [Candidate]
      let count: Int
      let difference: Double?
    }
    let context: String
    let windows: [Window]
    let squad1: Result
    let squad2: Result
  }

  private let fixture: Fixture

  init() throws {
    let url = URL(fileURLWithPath: Reference.fixtures + "/metrics.json")
    fixture = try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: url))
  }

  @Test("texts are normalized as SQuAD's scripts do it, scalar by scalar")
  func normalizes() {
    #expect(fixture.texts.count > 200)
    for text in fixture.texts {
      let found = AnswerText.normalized(text.text)
      #expect(
        Array(found.utf8) == Array(text.normalized.utf8),
        "\(text.text.debugDescription): \(found.debugDescription)")
    }
  }

  @Test("scores of answers are those of evaluate-v2.0.py and evaluate-v1.1.py")
  func scores() throws {
    #expect(fixture.questions.contains { $0.squad1 != nil })
    for (index, group) in fixture.questions.enumerated() {
      let metrics = AnswerMetrics(
        questions: group.gold.indices.map {
          .init(
            gold: group.gold[$0], bestText: group.best[$0], nullDifference: group.difference[$0])
        }, loss: 1, rules: .squad2)
      expect(metrics, group.squad2, "group \(index)")
      guard let expected = group.squad1 else { continue }
      let first = AnswerMetrics(
        questions: group.gold.indices.map {
          .init(gold: group.gold[$0], bestText: group.best[$0], nullDifference: nil)
        }, loss: 1, rules: .squad1)
      expect(first, expected, "group \(index)")
      #expect(first.bestF1 == nil && first.noAnswer.f1 == nil)
    }
  }

  /// Expects each of the numbers, and that scores which have no number are undefined.
  private func expect(_ metrics: AnswerMetrics, _ expected: [String: Double], _ place: String) {
    for (name, value) in expected {
      let found = metrics.scores.first { $0.name == name }?.value ?? .nan
      #expect(abs(found - value) <= 1e-12, "\(place): \(name) is \(found), not \(value)")
    }
    #expect(metrics.scores.contains { $0.name == "loss" && $0.value == 1 })
  }

  @Test("answers of overlapping windows are run_qa's, with and without questions without an answer")
  func decodes() {
    #expect(fixture.answers.contains { $0.squad2.text.isEmpty })
    #expect(fixture.answers.contains { $0.windows.count > 2 })
    for (index, question) in fixture.answers.enumerated() {
      let windows = question.windows.map { window in
        AnswerWindow(
          startLogits: window.start, endLogits: window.end,
          offsets: window.offsets.map { $0.map { $0[0]..<$0[1] } })
      }
      for (allowsNoAnswer, expected) in [(false, question.squad1), (true, question.squad2)] {
        let found = AnswerDecoder(allowsNoAnswer: allowsNoAnswer).decode(windows)
        let place = "question \(index), no answer allowed: \(allowsNoAnswer)"
        #expect(answerText(found.answer(), in: question.context) == expected.text, "\(place)")
        #expect(found.candidates.count == expected.count, "\(place)")
        for (found, expected) in zip(found.candidates, expected.candidates) {
          #expect(answerText(found.range, in: question.context) == expected.text, "\(place)")
          #expect(abs(found.probability - expected.probability) < 2e-6, "\(place)")
        }
        let difference = abs((found.nullDifference ?? 0) - (expected.difference ?? 0))
        #expect((found.nullDifference == nil) == (expected.difference == nil), "\(place)")
        #expect(difference < 1e-5, "\(place)")
      }
    }
  }

  @Test("no window, or none with a token of the context, gives no answer")
  func nothing() {
    let window = AnswerWindow(startLogits: [1, 2], endLogits: [0, 1], offsets: [nil, nil])
    for allowsNoAnswer in [false, true] {
      let decoder = AnswerDecoder(allowsNoAnswer: allowsNoAnswer)
      #expect(decoder.decode([]).answer() == nil)
      #expect(decoder.decode([window]).answer() == nil)
      #expect(decoder.decode([window]).candidates.count == (allowsNoAnswer ? 1 : 0))
    }
    #expect(AnswerDecoder(allowsNoAnswer: true).decode([window]).nullDifference == 1)
    #expect(answerText(nil, in: "text") == "")
  }

  @Test("an answer has at most the longest answer's tokens, and the threshold decides for none")
  func limits() {
    let window = AnswerWindow(
      startLogits: [4, 3, 0, 0, 0], endLogits: [4, 0, 0, 1, 2],
      offsets: [nil, 0..<1, 1..<2, 2..<3, 3..<4])
    var decoder = AnswerDecoder(allowsNoAnswer: true)
    #expect(decoder.decode([window]).answer(nullThreshold: 3) == 0..<4)
    decoder.longestAnswer = 3
    let short = decoder.decode([window])
    #expect(short.nullDifference == 4)
    #expect(short.answer(nullThreshold: 4) == 0..<3)
    #expect(short.answer(nullThreshold: 3.9) == nil)
  }

  @Test("gold answers of which nothing is left count in version 1 and not in version 2")
  func emptyGold() {
    #expect(AnswerText.exactMatch("", gold: ["the", "cat"], .squad1) == 1)
    #expect(AnswerText.exactMatch("", gold: ["the", "cat"], .squad2) == 0)
    #expect(AnswerText.f1("an", gold: ["the"], .squad1) == 0)
    #expect(AnswerText.f1("an", gold: ["the"], .squad2) == 1)
    #expect(AnswerText.f1("", gold: [], .squad2) == 1)
    #expect(AnswerText.f1("b b c", gold: ["b c c", "z"], .squad2) == 2.0 / 3)
  }
}
