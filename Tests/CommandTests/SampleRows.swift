import Foundation

/// The validation rows of a sample in launch/sample/tasks as `predict --input jsonl` takes them, and what
/// is right.
struct SampleRows {
  private var rows: [(input: [String: Any], isRight: ([String: Any]) -> Bool)] = []

  var count: Int { rows.count }

  /// A line a row.
  var input: String {
    get throws {
      try rows.map {
        String(decoding: try JSONSerialization.data(withJSONObject: $0.input), as: UTF8.self) + "\n"
      }.joined()
    }
  }

  /// - Parameter name: Of the task in `LearnedTaskTests`.
  init(folder: String, _ name: String) throws {
    func lines(_ file: String) throws -> [String] {
      try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
        .components(separatedBy: "\n")
    }
    func table(_ file: String) throws -> [[String]] {
      try lines(file).dropFirst().filter { !$0.isEmpty }.map { $0.components(separatedBy: "\t") }
    }
    switch name {
    case "classes":
      for row in try table("topics-dev.tsv") { append(["text": row[0]], label: row[1]) }
    case "pairs":
      for row in try table("pairs-dev.tsv") {
        append(["text": row[0], "pair": row[1]], label: row[2])
      }
    case "numbers":
      for row in try table("scores-dev.tsv") {
        let value = Double(row[1]) ?? .nan
        rows.append(
          (
            ["text": row[0]],
            { abs((($0["scores"] as? [String: Double])?.values.first ?? .nan) - value) < 0.25 }
          ))
      }
    case "tags": appendTags(try lines("names-dev.conll"))
    case "answers": try appendQuestions(of: "\(folder)/questions-dev.json")
    default: appendMasks(try lines("documents-dev.txt"))
    }
  }

  private mutating func append(_ input: [String: Any], label: String) {
    rows.append((input, { $0["labels"] as? [String] == [label] }))
  }

  private mutating func appendTags(_ lines: [String]) {
    for sentence in lines.split(separator: "") {
      let cells = sentence.map { $0.components(separatedBy: " ") }
      rows.append(
        (["words": cells.map { $0[0] }], { $0["tags"] as? [String] == cells.map { $0[1] } }))
    }
  }

  private mutating func appendQuestions(of path: String) throws {
    struct File: Decodable {
      let data: [Article]
      struct Article: Decodable { let paragraphs: [Paragraph] }
      struct Paragraph: Decodable {
        let context: String
        let qas: [Question]
      }
      struct Question: Decodable {
        let question: String
        let answers: [Answer]
      }
      struct Answer: Decodable { let text: String }
    }
    let file = try JSONDecoder().decode(
      File.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    for paragraph in file.data.flatMap(\.paragraphs) {
      for question in paragraph.qas {
        guard let answer = question.answers.first?.text else { continue }
        rows.append(
          (
            ["question": question.question, "context": paragraph.context],
            { $0["answer"] as? String == answer }
          ))
      }
    }
  }

  /// The third word of a sentence is hidden.
  private mutating func appendMasks(_ lines: [String]) {
    for line in lines {
      var words = line.components(separatedBy: " ")
      guard words.count > 3 else { continue }
      let hidden = words[2]
      words[2] = "[MASK]"
      rows.append(
        (
          ["text": words.joined(separator: " ")],
          {
            let mask = ($0["masks"] as? [[String: Any]])?.first
            return (mask?["words"] as? [String])?.first == hidden
          }
        ))
    }
  }

  /// Of a line of JSON a row.
  func shareRight(of output: String) throws -> Double {
    let lines = output.split(separator: "\n")
    guard lines.count == rows.count else { return 0 }
    let right = try zip(rows, lines).count { row, line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
      return row.isRight(object as? [String: Any] ?? [:])
    }
    return Double(right) / Double(rows.count)
  }
}
