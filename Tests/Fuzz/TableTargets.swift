import Foundation

@testable import Shards

let tableTargets = [
  table("tsv", "ID\ttext\ta\tb\n1\tone \"two\"\t1\t0\r\n2\tna\u{ef}ve \u{1f642}\tTRUE\t0.0\n\n"),
  table("csv", "\u{feff}id,text,a\r\n1,\"x, \"\"y\"\"\r\nz\",1\r\n2,plain,false\r\n"),
  table(
    "jsonl",
    "{\"text\": \"\\u00e9\\ud83d\\ude42\", \"a\": true, \"id\": 3}\n\n"
      + "{\"a\": 0.0, \"id\": \"x\", \"text\": \"\"}\n"),
  FuzzTarget(
    "conll",
    seeds: [Array("-DOCSTART- -X- O\n\nEU NNP B-ORG\n\nNew York\tB-LOC\r\nis O\n".utf8)],
    words: ["\t", "\r\n", "\n\n", " ", "-DOCSTART-", "O", "\u{feff}"]
  ) { bytes in
    let reader = try TaggedSentenceReader(paths: [write(bytes, to: "tags.conll")])
    let tags = Set(try reader.tags())
    try reader.forEachSentence { sentence in
      require(!sentence.words.isEmpty, "a word in every sentence")
      require(sentence.words.count == sentence.tags.count, "a tag for every word")
      require(sentence.places.count == sentence.tags.count, "a place for every tag")
      require(tags.isSuperset(of: sentence.tags), "no other tags than were found")
    }
  },
  FuzzTarget(
    "squad",
    seeds: [
      Array(
        #"""
        {"data": [{"paragraphs": [{"context": "n\u00e9 \ud83d\ude42", "qas": [{"id": "1",
        "question": "q", "answers": [{"text": "\ud83d\ude42", "answer_start": 3}]},
        {"id": "2", "question": "", "is_impossible": true, "answers": []}]}]}]}
        """#.utf8)
    ],
    words: jsonWords + ["\"context\"", "\"answers\"", "\"answer_start\"", "\"is_impossible\""]
  ) { bytes in
    let path = write(bytes, to: "squad.json")
    for question in try AnsweredQuestions(paths: [path]).questions {
      require(question.answers.isEmpty == (question.answerRange == nil), "a place for an answer")
      guard let range = question.answerRange else { continue }
      let context = Array(question.context.utf8)
      require(
        range.upperBound <= context.count
          && context[range].elementsEqual(question.answers[0].utf8), "the answer is where it says")
    }
  },
]

/// A table that was accepted has the same rows when it is counted, read, and read again from a copy
/// in JSON Lines.
private func table(_ form: String, _ seed: String) -> FuzzTarget {
  FuzzTarget(
    form, seeds: [Array(seed.utf8)],
    words: ["text", "Tweet", "sentence", "\t", "\r\n", "\"\"", "true", "0.0", "\u{feff}"]
      + (form == "jsonl" ? jsonWords : [])
  ) { bytes in
    let rows = try read(write(bytes, to: "table." + form))
    var lines = ""
    for row in rows {
      let labels = row.labels.floats
      require(labels.allSatisfy { $0 == 0 || $0 == 1 }, "labels are 0 or 1")
      lines += "{\"id\": \(jsonText(row.id)), \"text\": \(jsonText(row.text))"
      for (index, label) in labels.enumerated() { lines += ", \"label \(index)\": \(label)" }
      lines += "}\n"
    }
    let again = try read(write(lines.utf8, to: "copy.jsonl"))
    require(again.count == rows.count, "as many rows in the copy")
    for (row, copy) in zip(rows, again) {
      require(
        row.id.utf8.elementsEqual(copy.id.utf8) && row.text.utf8.elementsEqual(copy.text.utf8)
          && row.labels == copy.labels, "row \(row.id) reads as written")
    }
  }
}

private func read(_ path: String) throws -> [DatasetRow] {
  let reader = try DatasetReader(paths: [path], columns: DatasetColumns())
  let count = try reader.countRows()
  var rows: [DatasetRow] = []
  try reader.forEachRow { row in
    require(row.labels.count == reader.labelNames.count, "a value for every label")
    rows.append(row)
  }
  require(rows.count == count, "as many rows as were counted")
  return rows
}
