import Foundation
import Manifests

/// A question about a context, as SQuAD has it (Rajpurkar et al., arXiv 1606.05250, 1806.03822).
package struct AnsweredQuestion: Sendable {
  package let id: String
  package let question: String
  package let context: String
  /// Texts of the right answers; none where there is no answer.
  package let answers: [String]
  /// Where the first of them lies in the context's UTF-8.
  package let answerRange: Range<Int>?

  package init(
    id: String, question: String, context: String, answers: [String] = [],
    answerRange: Range<Int>? = nil
  ) {
    (self.id, self.question, self.context) = (id, question, context)
    (self.answers, self.answerRange) = (answers, answerRange)
  }
}

/// Reads files in SQuAD's form, version 1 or 2: {"data": [{"paragraphs": [{"context", "qas": [..]}]}]}.
package struct AnsweredQuestions {
  package let questions: [AnsweredQuestion]

  private struct File: Decodable { let data: [Article] }
  private struct Article: Decodable { let paragraphs: [Paragraph] }
  private struct Paragraph: Decodable {
    let context: String
    let qas: [Entry]
  }
  private struct Entry: Decodable {
    let id: String
    let question: String
    let answers: [Answer]
    let isImpossible: Bool?

    enum CodingKeys: String, CodingKey {
      case id, question, answers
      case isImpossible = "is_impossible"
    }
  }
  private struct Answer: Decodable {
    let text: String
    let start: Int

    enum CodingKeys: String, CodingKey {
      case text
      case start = "answer_start"
    }
  }

  /// A larger file is a mistake.
  private static let byteLimit = 1 << 30

  /// - Parameter paths: the files, in order.
  /// - Throws: `ShardsError` naming the file, and the question whose answer is not where it says.
  package init(paths: [String]) throws {
    var questions: [AnsweredQuestion] = []
    var ids: Set<String> = []
    for path in paths {
      for question in try Self.read(path) {
        // Windows of one question are known by its id.
        guard question.id.utf8.count <= JSONReader.nameByteLimit, ids.insert(question.id).inserted
        else {
          throw ShardsError(
            place: path, expected: "ids of at most \(JSONReader.nameByteLimit) bytes, each once",
            found: quoted(String(question.id.unicodeScalars.prefix(64))),
            remedy: "give each question its own id")
        }
        questions.append(question)
      }
    }
    self.questions = questions
  }

  private static func read(_ path: String) throws -> [AnsweredQuestion] {
    let file: File
    do {
      let bytes = try contents(ofFile: path, limit: byteLimit)
      file = try JSONDecoder().decode(File.self, from: Data(bytes))
    } catch let error as DecodingError {
      throw ShardsError(
        place: path, expected: "JSON in SQuAD's form", found: described(error),
        remedy: "write {\"data\": [{\"paragraphs\": [{\"context\": .., \"qas\": [..]}]}]}")
    } catch let error as ManifestError {
      throw ShardsError(
        place: error.place, expected: "a readable file", found: error.found,
        remedy: "name a SQuAD file")
    }
    let questions = try file.data.flatMap(\.paragraphs).flatMap { paragraph in
      let scalars = Array(paragraph.context.unicodeScalars)
      return try paragraph.qas.map { entry in
        let isAnswered = entry.isImpossible != true && !entry.answers.isEmpty
        return AnsweredQuestion(
          id: entry.id, question: entry.question, context: paragraph.context,
          answers: isAnswered ? entry.answers.map(\.text) : [],
          answerRange: isAnswered
            ? try range(
              of: entry.answers[0], in: scalars, "\(path): question \(quoted(entry.id))") : nil)
      }
    }
    guard !questions.isEmpty else {
      throw ShardsError(
        place: path, expected: "questions", found: "none", remedy: "check that the file is whole")
    }
    return questions
  }

  /// SQuAD counts in characters: Unicode scalars, as Python does.
  private static func range(
    of answer: Answer, in context: [Unicode.Scalar], _ place: String
  ) throws -> Range<Int> {
    let text = Array(answer.text.unicodeScalars)
    let start = answer.start
    guard start >= 0, !text.isEmpty, start <= context.count - text.count,
      context[start..<start + text.count].elementsEqual(text)
    else {
      throw ShardsError(
        place: place, expected: "\(quoted(answer.text)) at character \(start) of its context",
        found: "something else", remedy: "correct answer_start")
    }
    func bytes(_ scalars: ArraySlice<Unicode.Scalar>) -> Int {
      scalars.reduce(0) { $0 + UTF8.width($1) }
    }
    let first = bytes(context[..<start])
    return first..<first + bytes(text[...])
  }

  private static func described(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      "no \(key.stringValue) in \(path(context))"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      "something else at \(path(context))"
    default: "bytes that are not"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
      .joined(separator: ".")
  }
}
