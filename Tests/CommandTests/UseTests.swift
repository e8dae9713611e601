import Foundation
import Testing

/// What a finished checkpoint is used for.
@Suite struct UseTests {
  private struct Prediction: Decodable {
    let text: String
    let labels: [String]
    let scores: [String: Double]
  }

  private func trainedJob() throws -> TinyJob {
    let job = try TinyJob(rows: 40)
    let result = try Program.run(job.arguments(output: "run", "--epochs", "3"))
    guard result.status == 0 else { throw TinyJob.Failure(result.errors) }
    return job
  }

  private func predictions(_ output: String) throws -> [Prediction] {
    try output.split(separator: "\n").map {
      try JSONDecoder().decode(Prediction.self, from: Data($0.utf8))
    }
  }

  @Test("predict gives every label's probability, the labels over the threshold, one row a text")
  func predicts() throws {
    let job = try trainedJob()
    let best = job.folder.path + "/run/best"
    let texts = (0..<70).map { "text number \($0), so to say" } + ["", "ünïcödé 🙂"]
    let rows = try Program.run(
      ["predict", "--model", best, "--format", "jsonl"],
      input: texts.joined(separator: "\n") + "\n")
    #expect(rows.status == 0, "\(rows.errors)")
    let predicted = try predictions(rows.output)
    #expect(predicted.map(\.text) == texts)
    for row in predicted {
      #expect(row.scores.count == 11)
      #expect(Set(row.labels) == Set(row.scores.filter { $0.value >= 0.5 }.keys))
    }
    let all = try Program.run(
      ["predict", "--model", best, "--format", "jsonl", "--threshold", "0", texts[3]])
    let alone = try predictions(all.output)[0]
    #expect(alone.labels.count == 11)
    for (name, score) in alone.scores {
      #expect(abs(score - (predicted[3].scores[name] ?? .nan)) < 1e-6, "\(name)")
    }
    let array = try Program.run(["predict", "--model", best, "--format", "json"] + texts.prefix(2))
    #expect(
      try JSONDecoder().decode([Prediction].self, from: Data(array.output.utf8)).map(\.text)
        == Array(texts.prefix(2)))
    let text = try Program.run(["predict", "--model", best, "--threshold", "1", texts[0]])
    #expect(text.output == "none\t\(texts[0])\n")
  }

  @Test("evaluate gives the metrics that the run reported for its best checkpoint")
  func evaluates() throws {
    let job = try trainedJob()
    let result = try Program.run([
      "evaluate", "--model", job.folder.path + "/run/best", "--data", job.validation, "--format",
      "json",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let metrics =
      try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
    let best = try job.records(of: "run").filter { $0["event"] as? String == "evaluation" }
      .max { ($0["f1"] as? Double ?? 0) < ($1["f1"] as? Double ?? 0) }
    for key in ["f1", "f1_macro", "roc_auc", "roc_auc_scores", "accuracy", "jaccard", "loss"] {
      #expect(metrics?[key] as? Double == best?[key] as? Double, "\(key)")
    }
    for ranks in [2, 3] {
      let shared = try Program.run(
        [
          "evaluate", "--model", job.folder.path + "/run/best", "--data", job.validation,
          "--format", "json",
        ], ranks: ranks)
      #expect(shared.status == 0, "\(ranks) ranks: \(shared.errors)")
      #expect(shared.output == result.output, "\(ranks) ranks")
    }
    let table = try Program.run([
      "evaluate", "--model", job.folder.path + "/run/best", "--data", job.validation,
    ])
    #expect(table.output.contains("roc_auc_scores"))
    #expect(table.output.contains("optimism"))
  }

  @Test("ranks that evaluate other shards than rank 0 are refused by name")
  func refusesOtherShards() throws {
    let job = try trainedJob()
    // One job whose ranks are given different folders, as nodes with different copies would be.
    let script = try job.folder.write(
      "evaluate",
      """
      #!/bin/sh
      case $OMPI_COMM_WORLD_RANK in 0) data=\(job.validation) ;; *) data=\(job.train) ;; esac
      exec \(Program.path) evaluate --model \(job.folder.path)/run/best --data "$data"

      """)
    let refused = try Program.run([script], ranks: 2, program: "/bin/sh")
    #expect(refused.status == 65, "\(refused.errors)")
    #expect(refused.errors.contains("rank 1 on "), "\(refused.errors)")
    #expect(refused.errors.contains("the model and the shards of rank 0"), "\(refused.errors)")
  }

  @Test("inspect tells a model's, a checkpoint's, a run's and a shard folder's content")
  func inspects() throws {
    let job = try trainedJob()
    func inspect(_ path: String) throws -> String {
      let result = try Program.run(["inspect", path])
      #expect(result.status == 0, "\(path): \(result.errors)")
      return result.output
    }
    #expect(try inspect("bert-base").contains("109483778 (109.5 M)"))
    #expect(try inspect("bert-large").contains("335143938 (335.1 M)"))
    #expect(try inspect(job.model).contains("2 layers, 24 wide, 4 heads"))
    #expect(try inspect(job.folder.path + "/run/best").contains("of 21, epoch"))
    #expect(try inspect(job.folder.path + "/run").contains("last"))
    #expect(try inspect(job.train).contains("rows            40"))
    #expect(try inspect(job.train + "/00000.h5").contains("anger"))
    #expect(try Program.run(["inspect", job.folder.path + "/nothing"]).status == 65)
    let row = try Program.run(["inspect", job.train, "--row", "3", "--model", job.model])
    #expect(row.output.contains("[CLS]"), "\(row.errors)")
    #expect(row.output.contains("[SEP]"))
    #expect(try Program.run(["inspect", job.train, "--row", "40"]).status == 64)
  }

  @Test("a checkpoint is a model folder to train from again, and one of other labels is refused")
  func trainsFromCheckpoint() throws {
    let job = try trainedJob()
    let again = try Program.run(
      job.arguments(output: "again", "--max-steps", "2", "--model", job.folder.path + "/run/best"))
    #expect(again.status == 0, "\(again.errors)")
    #expect(!again.errors.contains("initialised"))
    let table = try TinyModel.table(rows: 8).replacing("\tanger\t", with: "\tenvy\t")
    try job.shard(table, to: job.folder.path + "/other")
    let other = try Program.run([
      "train", "--model", job.folder.path + "/run/best", "--train", job.folder.path + "/other",
      "--validation", job.folder.path + "/other", "--output", job.folder.path + "/refused",
      "--max-steps", "1",
    ])
    #expect(other.status == 65)
    #expect(other.errors.contains("envy"))
    #expect(
      try Program.run([
        "evaluate", "--model", job.folder.path + "/run/best", "--data",
        job.folder.path + "/other",
      ]).status == 65)
  }

  @Test("verify finds a changed byte and names the file")
  func verifies() throws {
    let job = try trainedJob()
    let best = job.folder.path + "/run/best"
    #expect(try Program.run(["verify", best]).status == 0)
    #expect(try Program.run(["verify", job.train]).status == 0)
    let url = URL(fileURLWithPath: best + "/model.safetensors")
    var bytes = try Data(contentsOf: url)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: url)
    let result = try Program.run(["verify", best])
    #expect(result.status == 65)
    #expect((result.output + result.errors).contains("model.safetensors"))
  }

  @Test("weights cut into several files train, resume and evaluate like one file")
  func shardsCheckpoints() throws {
    let job = try TinyJob(rows: 24)
    for (output, limit) in [("one", "5GB"), ("many", "20KB")] {
      let flags = ["--max-shard-size", limit, "--max-steps", "6"]
      #expect(
        try Program.run(job.arguments(output: output, "--stop-at", "3") + flags).status == 75)
      let result = try Program.run(job.arguments(output: output) + flags, ranks: 2)
      // Two ranks need two micro-batches where one had one: a warning, and other last bits.
      #expect(result.status == 0, "\(result.errors)")
    }
    let names = try FileManager.default.contentsOfDirectory(
      atPath: job.folder.path + "/many/last/")
    #expect(names.count { $0.hasPrefix("model-0000") } > 1)
    #expect(names.count { $0.hasPrefix("optimizer-0000") } > 1)
    #expect(names.contains("model.safetensors.index.json"))
    let one = try job.steps(of: "one").map { $0 as NSDictionary }
    #expect(try job.steps(of: "many").map { $0 as NSDictionary } == one)
  }

  @Test("a model whose weights are not finite is refused by row, not evaluated")
  func refusesNaN() throws {
    let job = try trainedJob()
    let url = URL(fileURLWithPath: job.folder.path + "/run/best/model.safetensors")
    var bytes = try Data(contentsOf: url)
    let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    for index in 8 + header..<bytes.count { bytes[index] = 0xFF }
    try bytes.write(to: url)
    for arguments in [
      ["evaluate", "--model", job.folder.path + "/run/best", "--data", job.validation],
      ["predict", "--model", job.folder.path + "/run/best", "so"],
    ] {
      let result = try Program.run(arguments, seconds: 20)
      #expect(result.status == 65, "\(result.errors)")
      #expect(result.errors.contains("row 0: expected finite logits"))
    }
  }

  @Test("evaluate refuses shards of another vocabulary, sizes without weights and odd threads")
  func refusesMismatches() throws {
    let job = try trainedJob()
    let best = job.folder.path + "/run/best"
    let evaluate = ["evaluate", "--model", best, "--data", job.validation]
    for threads in ["0", "100000"] {
      #expect(try Program.run(evaluate + ["--threads", threads], seconds: 20).status == 64)
    }
    let words = (TinyModel.words.dropLast() + ["##other"]).joined(separator: "\n")
    try Data(words.utf8).write(to: URL(fileURLWithPath: best + "/vocab.txt"))
    let other = try Program.run(evaluate)
    #expect(other.status == 65)
    #expect(other.errors.contains("vocabulary"))
    let path = job.model + "/config.json"
    let huge = try String(contentsOfFile: path, encoding: .utf8)
      .replacing("\"hidden_size\" : 24", with: "\"hidden_size\" : 65536")
    try Data(huge.utf8).write(to: URL(fileURLWithPath: path))
    let large = try Program.run(["predict", "--model", job.model, "so"], seconds: 20)
    #expect(large.status == 65, "\(large.errors)")
    #expect(large.errors.contains("shape"))
  }
}
