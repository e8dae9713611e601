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
///
/// A file is held in memory while it is read; questions about one context share it.
package struct AnsweredQuestions {
  package let questions: [AnsweredQuestion]

  /// - Parameter paths: the files, in order.
  /// - Throws: `ShardsError` with the line and column of what is no JSON in SQuAD's form, of an id that
  ///   was there before, and of an answer that does not lie where it says.
  package init(paths: [String]) throws {
    var questions: [AnsweredQuestion] = []
    var ids: Set<String> = []
    for path in paths {
      let file = try QuestionFile(path: path)
      let before = questions.count
      try file.forEachQuestion { question, offset in
        // Windows of one question are known by its id.
        guard ids.insert(question.id).inserted else {
          throw file.error(
            at: offset, expected: "each id once", found: "\(quoted(question.id)) again",
            remedy: "give each question its own id")
        }
        questions.append(question)
      }
      guard questions.count > before else {
        throw ShardsError(
          place: path, expected: "questions", found: "none", remedy: "check that the file is whole")
      }
    }
    self.questions = questions
  }
}

/// One file of questions.
private struct QuestionFile {
  let path: String
  private let bytes: [UInt8]

  private struct Entry {
    let offset: Int
    var id: String?
    var question: String?
    var answers: [Answer]?
    var isImpossible = false
  }
  private struct Answer {
    let offset: Int
    var text: String?
    var start: Int?
  }

  /// A larger file is a mistake.
  private static let byteLimit = 1 << 30

  init(path: String) throws {
    self.path = path
    do {
      bytes = try contents(ofFile: path, limit: Self.byteLimit)
    } catch let error as ManifestError {
      throw ShardsError(
        place: error.place, expected: "a readable file", found: error.found,
        remedy: "name a SQuAD file")
    }
  }

  /// Calls `body` with each question and the byte that it begins at.
  func forEachQuestion(_ body: (AnsweredQuestion, Int) throws -> Void) throws {
    do {
      var json = JSONReader(bytes)
      try readObject(&json, requiring: ["data"]) { _, json in
        try json.readArray { json in
          try readObject(&json, requiring: ["paragraphs"]) { _, json in
            try json.readArray { try readParagraph(&$0, body) }
          }
        }
      }
      try json.readEnd()
    } catch let defect as JSONReader.Defect {
      throw error(
        at: defect.offset, expected: defect.expected, found: defect.found,
        remedy: "write {\"data\": [{\"paragraphs\": [{\"context\": .., \"qas\": [..]}]}]}")
    }
  }

  func error(at offset: Int, expected: String, found: String, remedy: String) -> ShardsError {
    let before = bytes[..<min(offset, bytes.count)]
    let line = before.count { $0 == UInt8(ascii: "\n") }
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return ShardsError(
      place: "\(path):\(line + 1):\(before.count - start + 1)", expected: expected, found: found,
      remedy: remedy)
  }

  private func readParagraph(
    _ json: inout JSONReader, _ body: (AnsweredQuestion, Int) throws -> Void
  ) throws {
    var context = ""
    var entries: [Entry] = []
    try readObject(&json, requiring: ["context", "qas"]) { key, json in
      if key == "context" {
        context = try json.readString()
      } else {
        try json.readArray { entries.append(try readEntry(&$0)) }
      }
    }
    let scalars = Array(context.unicodeScalars)
    for entry in entries {
      try body(try question(entry, context, scalars), entry.offset)
    }
  }

  private func readEntry(_ json: inout JSONReader) throws -> Entry {
    var entry = Entry(offset: json.position)
    try json.readObject { key, json in
      switch key {
      case "id": entry.id = try json.readName()
      case "question": entry.question = try json.readString()
      case "is_impossible": entry.isImpossible = try json.readBoolean()
      case "answers":
        var answers: [Answer] = []
        try json.readArray { answers.append(try readAnswer(&$0)) }
        entry.answers = answers
      default: try json.skipValue()
      }
    }
    return entry
  }

  private func readAnswer(_ json: inout JSONReader) throws -> Answer {
    var answer = Answer(offset: json.position)
    try readObject(&json, requiring: ["text", "answer_start"]) { key, json in
      if key == "text" {
        answer.text = try json.readString()
      } else {
        answer.start = try json.readInteger()
      }
    }
    return answer
  }

  /// Reads an object that must have some keys, and passes over others.
  private func readObject(
    _ json: inout JSONReader, requiring keys: [String],
    _ member: (String, inout JSONReader) throws -> Void
  ) throws {
    let offset = json.position
    var missing = keys
    try json.readObject { key, json in
      guard let index = missing.firstIndex(of: key) else { return try json.skipValue() }
      missing.remove(at: index)
      try member(key, &json)
    }
    if let key = missing.first { throw absent(key, offset) }
  }

  private func absent(_ key: String, _ offset: Int) -> JSONReader.Defect {
    JSONReader.Defect(
      offset: offset, expected: "the key \(quoted(key))", found: "an object without it")
  }

  private func question(
    _ entry: Entry, _ context: String, _ scalars: [Unicode.Scalar]
  ) throws -> AnsweredQuestion {
    guard let id = entry.id else { throw absent("id", entry.offset) }
    guard let question = entry.question else { throw absent("question", entry.offset) }
    guard let answers = entry.isImpossible ? [] : entry.answers else {
      throw absent("answers", entry.offset)
    }
    return AnsweredQuestion(
      id: id, question: question, context: context, answers: answers.compactMap(\.text),
      answerRange: try answers.first.map { try range(of: $0, in: scalars) })
  }

  /// SQuAD counts in characters: Unicode scalars, as Python does.
  private func range(of answer: Answer, in context: [Unicode.Scalar]) throws -> Range<Int> {
    let text = Array((answer.text ?? "").unicodeScalars)
    let start = answer.start ?? -1
    guard start >= 0, !text.isEmpty, start <= context.count - text.count,
      context[start..<start + text.count].elementsEqual(text)
    else {
      throw error(
        at: answer.offset,
        expected: "\(quoted(answer.text ?? "")) at character \(start) of its context",
        found: "something else", remedy: "correct answer_start")
    }
    func bytes(_ scalars: ArraySlice<Unicode.Scalar>) -> Int {
      scalars.reduce(0) { $0 + UTF8.width($1) }
    }
    let first = bytes(context[..<start])
    return first..<first + bytes(text[...])
  }
}
