import Foundation
import Testing

@Suite struct DryRunTests {
  private func plan(_ result: Program.Result) throws -> [String: Any] {
    #expect(result.status == 0, "\(result.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return try #require(object as? [String: Any])
  }

  private func setting(_ plan: [String: Any], _ flag: String) -> (value: Any?, from: String?) {
    let all = plan["configuration"] as? [String: [String: Any]]
    return (all?[flag]?["value"], all?[flag]?["from"] as? String)
  }

  /// Every path under a folder, with size and time of the last change.
  private func listing(_ folder: String) throws -> [String] {
    let files = FileManager.default
    return try files.subpathsOfDirectory(atPath: folder).sorted().map { path in
      let attributes = try files.attributesOfItem(atPath: folder + "/" + path)
      return "\(path) \(attributes[.size] ?? 0) \(attributes[.modificationDate] ?? 0)"
    }
  }

  @Test("a dry run tells every setting and where it is from, and makes no run folder")
  func tellsOrigins() throws {
    let job = try TinyJob(rows: 24)
    let recipe = try job.folder.write("recipe.yaml", "schedule: cosine\nseed: 3\nepochs: 2\n")
    let before = try listing(job.folder.path)
    let plan = try plan(
      Program.run(
        job.arguments(
          output: "run", "--recipe", recipe, "--seed=4", "--dry-run", "--format", "json")))
    #expect(try listing(job.folder.path) == before)
    #expect(setting(plan, "schedule").value as? String == "cosine")
    #expect(setting(plan, "schedule").from == "recipe")
    #expect(setting(plan, "seed").value as? Int == 4)
    #expect(setting(plan, "seed").from == "command line")
    #expect(setting(plan, "weight-decay").value as? Double == 0.01)
    #expect(setting(plan, "weight-decay").from == "default")
    #expect(setting(plan, "dropout").value as? Double == 0.1)
    #expect(setting(plan, "dropout").from == "model")
    #expect(setting(plan, "threads").from == "machine")
    #expect(plan["steps_per_epoch"] as? Int == 4)
    #expect(plan["total_steps"] as? Int == 8)
    #expect(plan["steps_left"] as? Int == 8)
    #expect(plan["train_rows"] as? Int == 24)
    #expect(plan["validation_rows"] as? Int == 23)
  }

  @Test("on several ranks rank 0 speaks, once, and tells each rank's share")
  func tellsShares() throws {
    let job = try TinyJob(rows: 24)
    let result = try Program.run(job.arguments(output: "run", "--dry-run"), ranks: 3)
    #expect(result.status == 0, "\(result.errors)")
    let output = result.output
    #expect(output.components(separatedBy: "resolved configuration").count == 2, "\(output)")
    #expect(output.contains("ranks 0 to 1"), "\(output)")
    #expect(output.contains("1 of 4 micro-batches of each step, each"), "\(output)")
    #expect(output.contains("2 of 4 micro-batches of each step\n"), "\(output)")
    #expect(output.contains("command line"), "\(output)")
    #expect(!FileManager.default.fileExists(atPath: job.folder.path + "/run"))
  }

  @Test("the plan is what the run then does")
  func planComesTrue() throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(output: "run", "--epochs", "2")
    let plan = try plan(Program.run(arguments + ["--dry-run", "--format", "json"]))
    let run = try Program.run(arguments)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try job.steps(of: "run").count == plan["total_steps"] as? Int)
    let kept = try JSONSerialization.jsonObject(with: job.bytes("run", ".", "run.json"))
    let file = try #require(kept as? [String: Any])
    for flag in ["learning-rate", "batch-size", "micro-batches", "keep", "seed", "save-every"] {
      let expected = file[flag.replacing("-", with: "_")] as? NSObject
      #expect(setting(plan, flag).value as? NSObject == expected, "\(flag)")
    }
  }

  @Test("before a resume it names the checkpoint, what comes from it, and the steps that are left")
  func plansResume() throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(output: "run", "--epochs", "2")
    #expect(try Program.run(arguments + ["--stop-at", "3"]).status == 75)
    let before = try listing(job.folder.path)
    let plan = try plan(Program.run(arguments + ["--dry-run", "--format", "json"]))
    #expect(try listing(job.folder.path) == before)
    #expect(plan["resumed_step"] as? Int == 3)
    #expect(plan["steps_left"] as? Int == 5)
    #expect((plan["start"] as? String)?.hasSuffix("checkpoint-3") == true)
    #expect(setting(plan, "seed").from == "checkpoint")
    #expect(setting(plan, "epochs").from == "command line")
    let longer = try Program.run(arguments + ["--dry-run", "--epochs", "3"])
    #expect(longer.errors.contains("schedule is recomputed"), "\(longer.errors)")
    let refused = try Program.run(arguments + ["--dry-run", "--seed", "9"])
    #expect(refused.status == 64)
    #expect(refused.errors.contains("--seed: expected 42"), "\(refused.errors)")
  }

  @Test("a damaged checkpoint is passed over, told, and left where it is")
  func leavesDamage() throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(output: "run", "--save-every", "2")
    #expect(try Program.run(arguments + ["--stop-at", "4"]).status == 75)
    let damaged = job.folder.path + "/run/checkpoint-4/config.json"
    try Data("{}".utf8).write(to: URL(fileURLWithPath: damaged))
    let before = try listing(job.folder.path)
    let result = try Program.run(arguments + ["--dry-run"])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try listing(job.folder.path) == before)
    #expect(result.errors.contains("passing over"), "\(result.errors)")
    #expect(result.errors.contains("config.json"), "\(result.errors)")
    #expect(result.output.contains("checkpoint-2"), "\(result.output)")
  }

  @Test("it fails as the run would: shards of another model, no weights, a folder that is a file")
  func failsLikeTheRun() throws {
    let job = try TinyJob(rows: 12)
    let file = try job.folder.write("file", "")
    let other = job.folder.path + "/other"
    try TinyModel.write(to: other, words: TinyModel.words + ["more"])
    let bare = job.folder.path + "/bare"
    try FileManager.default.copyItem(atPath: job.model, toPath: bare)
    try FileManager.default.removeItem(atPath: bare + "/model.safetensors")
    for (more, expected) in [
      (["--model", other], "token ids of the vocabulary"),
      (["--model", bare], "model.safetensors"),
      (["--output", file + "/run"], "a run folder that can be created"),
    ] {
      let arguments = job.arguments(output: "run") + more
      let real = try Program.run(arguments)
      let dry = try Program.run(arguments + ["--dry-run"])
      #expect(dry.status == real.status, "\(real.errors)\(dry.errors)")
      #expect(dry.status == 65)
      #expect(dry.errors.contains(expected), "\(dry.errors)")
      #expect(real.errors.contains(expected), "\(real.errors)")
    }
  }
}
