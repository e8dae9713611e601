import Foundation
import Testing

@Suite struct ModelCardTests {
  private func card(_ job: TinyJob, _ checkpoint: String) throws -> String {
    String(decoding: try job.bytes(".", checkpoint, "README.md"), as: UTF8.self)
  }

  @Test("the best checkpoint's card has the hub's front matter, its own metrics, labels and hashes")
  func describesTheBest() throws {
    let job = try TinyJob(rows: 24)
    let run = try Program.run(job.arguments(output: "run", "--epochs", "2", "--metric", "loss"))
    #expect(run.status == 0, "\(run.errors)")
    let text = try card(job, "run/best")
    let parts = text.components(separatedBy: "---\n")
    #expect(parts.first == "" && parts.count > 2)
    for line in [
      "library_name: transformers", "pipeline_tag: text-classification", "- multi-label", "- bert",
      "model-index:", "type: f1", "type: roc_auc", "split: validation",
    ] { #expect(parts[1].contains(line), "\(line) in \(parts[1])") }
    let best = try FileManager.default.destinationOfSymbolicLink(
      atPath: job.folder.path + "/run/best")
    let evaluation = try #require(
      try job.records(of: "run").first {
        $0["event"] as? String == "evaluation"
          && best == "checkpoint-\($0["step"] as? Int ?? 0)"
      })
    let loss = try #require(evaluation["loss"] as? Double)
    #expect(text.contains("| `loss` | \(String(format: "%.6f", loss)) |"), "\(text)")
    for label in ["anger", "joy", "trust"] { #expect(text.contains("| \(label) | 0.")) }
    let manifest = try String(
      contentsOfFile: job.train + "/manifest.sha256", encoding: .utf8)
    #expect(text.contains(manifest.prefix(64)))
    #expect(text.contains("fine-tuned from `model`"))
    #expect(text.contains("`model.safetensors`"))
    #expect(!text.contains(job.folder.path), "a path of this machine")
    let sealed = String(decoding: try job.bytes("run", "best", "manifest.json"), as: UTF8.self)
    #expect(sealed.contains("README.md"))
    #expect(try Program.run(["verify", job.folder.path + "/run/best"]).status == 0)
    let inspected = try Program.run(["inspect", job.folder.path + "/run/best"])
    #expect(inspected.output.contains("README.md"), "\(inspected.output)")
  }

  @Test("the same parameters have the same card: on other ranks, and after a stop and a resume")
  func isDeterministic() throws {
    let job = try TinyJob()
    let flags = ["--epochs", "2", "--micro-batches", "2", "--metric", "loss"]
    for (name, ranks) in [("one", 1), ("two", 2)] {
      let result = try Program.run(job.arguments(output: name) + flags, ranks: ranks)
      #expect(result.status == 0, "\(result.errors)")
    }
    for (stop, status) in [(["--stop-at", "7"], 75), (["--stop-at", "11"], 75), ([], 0)] {
      let result = try Program.run(job.arguments(output: "cut") + flags + stop)
      #expect(Int(result.status) == status, "\(result.errors)")
    }
    let whole = try card(job, "one/best")
    #expect(whole.contains("The evaluations on the way:"))
    #expect(try card(job, "two/best") == whole)
    #expect(try card(job, "cut/best") == whole)
  }

  @Test("a checkpoint between evaluations says that it was not evaluated")
  func tellsWhatIsMissing() throws {
    let job = try TinyJob(rows: 24)
    let stopped = try Program.run(job.arguments(output: "run", "--stop-at", "3"))
    #expect(stopped.status == 75, "\(stopped.errors)")
    let text = try card(job, "run/checkpoint-3")
    #expect(text.contains("This step was not evaluated."))
    #expect(!text.contains("model-index"))
  }

  @Test("names that Markdown or YAML would take for something else are shown as they are")
  func escapesNames() throws {
    let job = try TinyJob(rows: 12)
    let labels = ["a|b", "<b>&amp;</b>", "`x` *y*", "no", "[l](u)"]
    let header = "text\t" + labels.joined(separator: "\t")
    let row = "\nthe is\t1\t0\t1\t0\t1\nto it\t0\t1\t0\t1\t0"
    let strange = job.folder.path + "/no: \"x\" #y"
    try job.shard(header + row + row + "\n", to: strange, shards: 1)
    let result = try Program.run([
      "train", "--model", job.model, "--train", strange, "--validation", strange, "--output",
      job.folder.path + "/run", "--epochs", "1",
    ])
    #expect(result.status == 0, "\(result.errors)")
    let text = try card(job, "run/best")
    for shown in [
      #"| 0 | a\|b |"#, #"\<b\>\&amp;\</b\>"#, #"\`x\` \*y\*"#, "| 3 | no |", #"\[l\]\(u\)"#,
      #"name: "no: \"x\" #y""#,
    ] { #expect(text.contains(shown), "\(shown) in \(text)") }
  }

  @Test("a base model whose folder has the hub's name is named by it")
  func namesTheBase() throws {
    let job = try TinyJob(rows: 12)
    for (folder, shown) in [
      ("org--tiny.v2", true), ("models--org--tiny.v2/snapshots/0123abcd", true), ("tiny", false),
    ] {
      let model = job.folder.path + "/hub/" + folder
      try FileManager.default.createDirectory(
        atPath: URL(fileURLWithPath: model).deletingLastPathComponent().path,
        withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: job.model, toPath: model)
      let run = "run-" + folder.replacing("/", with: "-")
      let result = try Program.run(
        job.arguments(output: run, "--max-steps", "1", "--model", model))
      #expect(result.status == 0, "\(result.errors)")
      let text = try card(job, run + "/best")
      #expect(text.contains(#"base_model: "org/tiny.v2""#) == shown, "\(text)")
    }
  }

  @Test("a README.md of the base model is not taken for the checkpoint's")
  func leavesTheirs() throws {
    let job = try TinyJob(rows: 12)
    try Data("theirs".utf8).write(to: URL(fileURLWithPath: job.model + "/README.md"))
    #expect(try Program.run(job.arguments(output: "run", "--epochs", "1")).status == 0)
    let text = try card(job, "run/best")
    #expect(!text.contains("theirs") && text.contains("## Limitations"))
    let kept = try String(contentsOfFile: job.model + "/README.md", encoding: .utf8)
    #expect(kept == "theirs")
  }

  @Test(
    "an export has the card, with a word on rounded weights, and spares a text of somebody's own")
  func exportsTheCard() throws {
    let job = try TinyJob(rows: 12)
    #expect(try Program.run(job.arguments(output: "run", "--epochs", "1")).status == 0)
    let export = job.folder.path + "/export"
    let arguments = ["export", "--model", job.folder.path + "/run", "--output", export]
    let first = try Program.run(arguments)
    #expect(first.status == 0, "\(first.errors)")
    let original = try card(job, "run/best")
    #expect(try card(job, "export") == original)
    let half = try Program.run(arguments + ["--dtype", "float16", "--overwrite"])
    #expect(half.status == 0, "\(half.errors)")
    let rounded = try card(job, "export")
    #expect(rounded.hasPrefix(original) && rounded.contains("rounded to float16"))
    try Data("# Mine".utf8).write(to: URL(fileURLWithPath: export + "/README.md"))
    let refused = try Program.run(arguments + ["--overwrite"])
    #expect(refused.status == 65, "\(refused.errors)")
    #expect(refused.errors.contains("README.md"), "\(refused.errors)")
    #expect(try card(job, "export") == "# Mine")
  }

  @Test("trainer_state.json has the evaluations as Hugging Face's Trainer logs them")
  func logsHistory() throws {
    let job = try TinyJob(rows: 24)
    #expect(
      try Program.run(job.arguments(output: "run", "--epochs", "2", "--stop-at", "5")).status == 75)
    #expect(try Program.run(job.arguments(output: "run", "--epochs", "2")).status == 0)
    let state = try JSONSerialization.jsonObject(
      with: job.bytes("run", "last", "trainer_state.json"))
    let history = try #require((state as? [String: Any])?["log_history"] as? [[String: Any]])
    let evaluations = try job.records(of: "run").filter { $0["event"] as? String == "evaluation" }
    #expect(history.map { $0["step"] as? Int } == [4, 8])
    #expect(
      history.map { $0["eval_loss"] as? Double } == evaluations.map { $0["loss"] as? Double })
    #expect(history.map { $0["eval_f1"] as? Double } == evaluations.map { $0["f1"] as? Double })
  }
}
