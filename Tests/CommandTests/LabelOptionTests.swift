import Foundation
import Testing

/// What runs of several labels have beside others: weights for rare labels, thresholds of single labels.
@Suite struct LabelOptionTests {
  private static let labels = [
    "anger", "anticipation", "disgust", "fear", "joy", "love", "optimism", "pessimism", "sadness",
    "surprise", "trust",
  ]

  private func weights(_ job: TinyJob, _ name: String, of value: Double) throws -> String {
    let lines = Self.labels.map { "\"\($0)\": \(value)" }
    return try job.folder.write(name, "{\(lines.joined(separator: ", "))}")
  }

  @Test(
    "weights of 1 change no bit, weights of the labels' frequencies do, and a resumed run keeps them"
  )
  func positiveWeights() throws {
    let job = try TinyJob(rows: 40)
    func train(_ output: String, _ more: [String], ranks: Int? = nil) throws {
      let result = try Program.run(
        job.arguments(output: output, "--max-steps", "9", "--micro-batches", "2") + more,
        ranks: ranks)
      #expect(result.status == (more.contains("--stop-at") ? 75 : 0), "\(result.errors)")
    }
    let ones = try weights(job, "ones.json", of: 1)
    try train("plain", [])
    try train("ones", ["--positive-weight", ones])
    try train("auto", ["--positive-weight", "auto"])
    try train("stopped", ["--positive-weight", "auto", "--stop-at", "4"], ranks: 2)
    try train("stopped", [])
    let files = try ["plain", "ones", "auto", "stopped"].map {
      try job.bytes($0, "last", "model.safetensors")
    }
    #expect(files[0] == files[1])
    #expect(files[0] != files[2])
    #expect(files[2] == files[3])
    // 40 rows, 6 a batch: the weight of a label is the rows without it over those with it.
    let text = try String(contentsOfFile: job.folder.path + "/table.txt", encoding: .utf8)
    #expect(text.hasPrefix("ID"))
    let configuration = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: job.folder.path + "/auto/run.json")))
    let automatic = try #require(
      (configuration as? [String: Any])?["positive_weights"] as? [Double])
    let rows = try TinyModel.table(rows: 40).split(separator: "\n").dropFirst()
      .map { $0.components(separatedBy: "\t").dropFirst(2).map { $0 == "1" } }
    for (label, weight) in automatic.enumerated() {
      let count = Double(rows.count { $0[label] })
      let expected = count == 0 ? 1 : min(100, (40 - count) / count)
      #expect(abs(weight - expected) < 1e-5 * expected, "\(Self.labels[label])")
    }
    let other = try weights(job, "twos.json", of: 2)
    let refused = try Program.run(
      job.arguments(output: "stopped", "--max-steps", "9", "--positive-weight", other))
    #expect(refused.status == 64 && refused.errors.contains("--positive-weight: expected"))
    let short = try job.folder.write("short.json", #"{"joy": 2}"#)
    let incomplete = try Program.run(job.arguments(output: "new", "--positive-weight", short))
    #expect(incomplete.status == 65)
    #expect(incomplete.errors.contains("short.json: expected a number for each label"))
  }

  @Test(
    "thresholds are tuned on validation, kept in the checkpoint, and used where they are asked for")
  func thresholds() throws {
    let job = try TinyJob(rows: 40)
    let arguments = job.arguments(output: "run", "--epochs", "3", "--metric", "f1_tuned")
    let result = try Program.run(arguments, ranks: 2)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.contains("F1 Tuned"))
    let best = job.folder.path + "/run/best"
    func object(_ arguments: [String]) throws -> [String: Any] {
      let result = try Program.run(arguments)
      #expect(result.status == 0, "\(result.errors)")
      let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      return try #require(value as? [String: Any])
    }
    let saved = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: best + "/thresholds.json")))
    let thresholds = try #require(saved as? [String: Double])
    #expect(thresholds.keys.sorted() == Self.labels)
    let evaluated = try object([
      "evaluate", "--model", best, "--data", job.validation, "--format", "json",
    ])
    let tuned = try #require(evaluated["f1_macro_tuned"] as? Double)
    #expect(tuned >= (evaluated["f1_macro"] as? Double ?? .nan))
    let evaluations = try job.records(of: "run").filter { $0["event"] as? String == "evaluation" }
    let scores = evaluations.compactMap { $0["f1_tuned"] as? Double }
    #expect(scores.count == 3 && scores.max() == evaluated["f1_tuned"] as? Double)

    let text = "so happy to see you"
    let predict = ["predict", "--model", best, "--format", "jsonl", text]
    let row = try object(predict + ["--threshold", "tuned"])
    let probabilities = try #require(row["scores"] as? [String: Double])
    let expected = Self.labels.filter { (probabilities[$0] ?? 0) >= (thresholds[$0] ?? 1) }
    #expect(row["labels"] as? [String] == expected)
    let half = try object(predict)
    #expect(half["labels"] as? [String] == Self.labels.filter { (probabilities[$0] ?? 0) >= 0.5 })

    try FileManager.default.copyItem(
      atPath: URL(fileURLWithPath: best).resolvingSymlinksInPath().path,
      toPath: job.folder.path + "/bare")
    try FileManager.default.removeItem(atPath: job.folder.path + "/bare/thresholds.json")
    let none = try Program.run([
      "predict", "--model", job.folder.path + "/bare", "--threshold", "tuned", text,
    ])
    #expect(none.status == 65 && none.errors.contains("thresholds.json: expected a threshold"))
  }
}
