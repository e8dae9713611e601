import Foundation
import Testing

@Suite struct TrainTests {
  @Test("plain MPI_Allreduce gives the tree's losses within 1e-5")
  func treeMatchesAllReduce() throws {
    let job = try TinyJob()
    for exchange in ["tree", "mpi"] {
      let result = try Program.run(
        job.arguments(output: exchange, "--max-steps", "10", "--all-reduce", exchange), ranks: 3)
      #expect(result.status == 0, "\(result.errors)")
    }
    let tree = try job.steps(of: "tree").compactMap { $0["loss"] as? Double }
    let mpi = try job.steps(of: "mpi").compactMap { $0["loss"] as? Double }
    #expect(tree.count == 10)
    for (a, b) in zip(tree, mpi) { #expect(abs(a - b) <= 1e-5 * a) }
  }

  @Test(
    "a run stopped in mid-epoch and resumed ends with the uninterrupted run's bytes",
    arguments: [1, 2])
  func resumesExactly(ranks: Int) throws {
    let job = try TinyJob()
    let whole = try Program.run(job.arguments(output: "whole", "--epochs", "2"), ranks: ranks)
    #expect(whole.status == 0, "\(whole.errors)")
    let first = try Program.run(
      job.arguments(output: "cut", "--epochs", "2", "--stop-at", "7"), ranks: ranks)
    #expect(first.status == 75, "\(first.errors)")
    let second = try Program.run(job.arguments(output: "cut", "--epochs", "2"), ranks: ranks)
    #expect(second.status == 0, "\(second.errors)")
    #expect(second.errors.contains("resuming after step 7 of 22"))
    for name in ["model.safetensors", "optimizer-00001-of-00001.safetensors", "config.json"] {
      let equal =
        try job.bytes("whole", "checkpoint-22", name) == job.bytes("cut", "checkpoint-22", name)
      #expect(equal, "\(name) differs after the resume")
    }
    let wholeSteps = try job.steps(of: "whole").map { $0 as NSDictionary }
    let cutSteps = try job.steps(of: "cut").map { $0 as NSDictionary }
    #expect(wholeSteps == cutSteps)
  }

  @Test("resuming a finished run does nothing, says so and succeeds")
  func finishedRunIsLeftAlone() throws {
    let job = try TinyJob(rows: 12)
    let arguments = job.arguments(output: "run", "--max-steps", "2")
    #expect(try Program.run(arguments).status == 0)
    let files = ["last/manifest.json", "metrics.jsonl", "run.json"]
    let before = try files.map { try job.bytes("run", ".", $0) }
    let again = try Program.run(arguments)
    #expect(again.status == 0)
    #expect(again.errors.contains("nothing to do"))
    #expect(try files.map { try job.bytes("run", ".", $0) } == before)
  }

  @Test("more epochs than before go on with a warning; a flag of the trajectory must not change")
  func resumeChecksFlags() throws {
    let job = try TinyJob(rows: 12)
    #expect(try Program.run(job.arguments(output: "run", "--epochs", "1")).status == 0)
    let changed = try Program.run(job.arguments(output: "run", "--epochs", "2", "--seed", "9"))
    #expect(changed.status == 64)
    #expect(changed.errors.contains("--seed: expected 42"))
    #expect(changed.errors.contains("found 9"))
    let longer = try Program.run(job.arguments(output: "run", "--epochs", "2"))
    #expect(longer.status == 0, "\(longer.errors)")
    #expect(longer.errors.contains("schedule is recomputed"))
  }

  @Test("a run folder holds what is documented, links are relative, and old checkpoints go")
  func runFolderIsTidy() throws {
    let job = try TinyJob()
    let result = try Program.run(
      job.arguments(output: "run", "--epochs", "1", "--save-every", "2", "--keep", "2"))
    #expect(result.status == 0, "\(result.errors)")
    let run = job.folder.path + "/run"
    let names = try FileManager.default.contentsOfDirectory(atPath: run).sorted()
    let fixed = ["best", "last", "lock", "metrics.jsonl", "run.json"]
    #expect(names.filter { !$0.hasPrefix("checkpoint-") } == fixed)
    #expect(names.count { $0.hasPrefix("checkpoint-") } <= 3)
    let last = try FileManager.default.destinationOfSymbolicLink(atPath: run + "/last")
    #expect(last == "checkpoint-11")
    #expect(try Program.run(["verify", run]).status == 0)
    #expect(result.output.hasSuffix("checkpoint-11\n"))
  }

  @Test("a run tells the most memory that a rank had, at its end and with every evaluation")
  func tellsMemory() throws {
    let job = try TinyJob(rows: 12)
    let result = try Program.run(job.arguments(output: "run", "--epochs", "1"), ranks: 2)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.contains("MB resident, on rank "), "\(result.errors)")
    let evaluation = try #require(
      try job.records(of: "run").first { $0["event"] as? String == "evaluation" })
    #expect(try #require(evaluation["peak_rss_mb"] as? Double) > 1)
  }

  @Test("a recipe gives flags and the command line overrides it; an unknown key is an error")
  func readsRecipes() throws {
    let job = try TinyJob(rows: 12)
    let recipe = try job.folder.write("recipe.yaml", "max-steps: 3\nschedule: cosine\nseed: 3\n")
    let result = try Program.run(
      job.arguments(output: "run", "--recipe", recipe, "--seed", "4"))
    #expect(result.status == 0, "\(result.errors)")
    let text = try String(contentsOfFile: job.folder.path + "/run/run.json", encoding: .utf8)
    let run = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    #expect(run?["schedule"] as? String == "cosine")
    #expect(run?["seed"] as? Int == 4)
    #expect(run?["total_steps"] as? Int == 3)
    let wrong = try job.folder.write("wrong.yaml", "max-steps: 3\nlearning_rat: 1\n")
    let refused = try Program.run(job.arguments(output: "other", "--recipe", wrong))
    #expect(refused.status == 64)
    #expect(refused.errors.contains("wrong.yaml:2"))
    #expect(refused.errors.contains("learning_rat"))
  }

  @Test("patience ends a run that gets no better, and the best checkpoint stays")
  func stopsEarly() throws {
    let job = try TinyJob(rows: 12)
    // A learning rate of 0 never gets better than the first evaluation.
    let arguments = job.arguments(
      output: "run", "--epochs", "40", "--patience", "2", "--metric", "loss", "--learning-rate",
      "0")
    let result = try Program.run(arguments)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.errors.contains("stopping early"))
    #expect(try job.steps(of: "run").count == 6)
    let best = try FileManager.default.destinationOfSymbolicLink(
      atPath: job.folder.path + "/run/best")
    #expect(best == "checkpoint-2")
    #expect(try Program.run(arguments).status == 0)
    #expect(try job.steps(of: "run").count == 6)
  }

  @Test("a damaged newest checkpoint is set aside by name and the one before it is resumed")
  func passesOverDamage() throws {
    let job = try TinyJob()
    let arguments = job.arguments(output: "run", "--epochs", "1", "--save-every", "3")
    let whole = try Program.run(job.arguments(output: "whole", "--epochs", "1"))
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(try Program.run(arguments + ["--stop-at", "6"]).status == 75)
    let newest = job.folder.path + "/run/checkpoint-6"
    let url = URL(fileURLWithPath: newest + "/optimizer-00001-of-00001.safetensors")
    var bytes = try Data(contentsOf: url)
    bytes[bytes.count / 3] ^= 4
    try bytes.write(to: url)
    let named = try Program.run(arguments + ["--resume", newest])
    #expect(named.status == 65)
    #expect(named.errors.contains("optimizer-00001-of-00001.safetensors"))
    let resumed = try Program.run(arguments)
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("rejected-6"))
    #expect(resumed.errors.contains("resuming after step 3"))
    let name = "model.safetensors"
    let equal =
      try job.bytes("whole", "checkpoint-11", name) == job.bytes("run", "checkpoint-11", name)
    #expect(equal)
  }

  @Test("an older checkpoint is resumed into another folder only, and brings its own best or none")
  func resumesByPath() throws {
    let job = try TinyJob(rows: 24)
    let flags = ["--max-steps", "8", "--evaluate-every", "2", "--keep", "9"]
    #expect(try Program.run(job.arguments(output: "run") + flags).status == 0)
    let older = job.folder.path + "/run/checkpoint-4"
    let refused = try Program.run(
      job.arguments(output: "run", "--resume", older) + flags)
    #expect(refused.status == 64)
    #expect(refused.errors.contains("checkpoint-8"))
    let elsewhere = try Program.run(
      job.arguments(output: "other", "--resume", older) + flags)
    #expect(elsewhere.status == 0, "\(elsewhere.errors)")
    #expect(try Program.run(["verify", job.folder.path + "/other/best"]).status == 0)
    let equal =
      try job.bytes("run", "checkpoint-8", "model.safetensors")
      == job.bytes("other", "checkpoint-8", "model.safetensors")
    #expect(equal)
  }

  @Test("links that a kill left behind are mended from the state of the checkpoint")
  func mendsLinks() throws {
    let job = try TinyJob(rows: 24)
    let flags = ["--epochs", "3", "--metric", "loss", "--keep", "9"]
    #expect(
      try Program.run(job.arguments(output: "run", "--stop-at", "8") + flags).status == 75)
    let best = job.folder.path + "/run/best"
    let files = FileManager.default
    try files.removeItem(atPath: best)
    try files.createSymbolicLink(atPath: best, withDestinationPath: "checkpoint-4")
    let other = try Program.run(job.arguments(output: "run", "--epochs", "3", "--metric", "f1"))
    #expect(other.status == 64)
    #expect(other.errors.contains("--metric: expected loss"))
    // Without the flag the checkpoint's metric goes on.
    let resumed = try Program.run(job.arguments(output: "run", "--epochs", "3", "--keep", "9"))
    #expect(resumed.status == 0, "\(resumed.errors)")
    let evaluations = try job.records(of: "run").filter { $0["event"] as? String == "evaluation" }
    let least = evaluations.min { ($0["loss"] as? Double ?? 9) < ($1["loss"] as? Double ?? 9) }
    #expect(
      try files.destinationOfSymbolicLink(atPath: best)
        == "checkpoint-\(least?["step"] as? Int ?? 0)")
  }

  @Test("more ranks than micro-batches raise them with a warning, and the run still resumes")
  func raisesMicroBatches() throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(output: "run", "--max-steps", "4", "--micro-batches", "1")
    let first = try Program.run(arguments + ["--stop-at", "2"], ranks: 2)
    #expect(first.status == 75, "\(first.errors)")
    #expect(first.errors.contains("2 ranks need 2 micro-batches instead of 1"))
    #expect(try Program.run(arguments, ranks: 2).status == 0)
  }

  @Test("weights and optimizer state saved in the background are those of synchronous saves")
  func backgroundSaves() throws {
    let job = try TinyJob()
    for mode in ["sync", "async"] {
      let result = try Program.run(
        job.arguments(
          output: mode, "--epochs", "1", "--save-every", "2", "--keep", "99", "--save-mode", mode))
      #expect(result.status == 0, "\(result.errors)")
    }
    for step in [2, 4, 6, 8, 10, 11] {
      for name in ["model.safetensors", "optimizer-00001-of-00001.safetensors"] {
        let equal =
          try job.bytes("sync", "checkpoint-\(step)", name)
          == job.bytes("async", "checkpoint-\(step)", name)
        #expect(equal, "\(name) of step \(step)")
      }
    }
    let saves = try job.records(of: "async").filter { $0["event"] as? String == "checkpoint" }
    #expect(saves.compactMap { $0["step"] as? Int } == [2, 4, 6, 8, 10, 11])
    for save in saves {
      let seconds = try #require(save["seconds"] as? Double)
      let blocked = try #require(save["blocked_seconds"] as? Double)
      #expect(seconds > 0 && blocked > 0)
    }
  }

  @Test("a run that is stopped where an evaluation is due begins with that evaluation")
  func evaluationPends() throws {
    let job = try TinyJob(rows: 24)
    let flags = ["--epochs", "2", "--metric", "loss"]
    let whole = try Program.run(job.arguments(output: "whole") + flags)
    #expect(whole.status == 0, "\(whole.errors)")
    let stopped = try Program.run(job.arguments(output: "cut", "--stop-at", "4") + flags)
    #expect(stopped.status == 75, "\(stopped.errors)")
    #expect(try evaluatedSteps(job, "cut") == [])
    let resumed = try Program.run(job.arguments(output: "cut") + flags)
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try evaluatedSteps(job, "cut") == [4, 8])
    // The last step alone pends likewise.
    let last = try Program.run(job.arguments(output: "last", "--stop-at", "8") + flags)
    #expect(last.status == 75, "\(last.errors)")
    #expect(try Program.run(job.arguments(output: "last") + flags).status == 0)
    #expect(try evaluatedSteps(job, "last") == [4, 8])
    for run in ["cut", "last"] {
      let name = "model.safetensors"
      let equal = try job.bytes("whole", "best", name) == job.bytes(run, "best", name)
      #expect(equal, "the best model of \(run)")
    }
  }

  private func evaluatedSteps(_ job: TinyJob, _ run: String) throws -> [Int] {
    try job.records(of: run).filter { $0["event"] as? String == "evaluation" }
      .compactMap { $0["step"] as? Int }
  }

  @Test("a time limit that draws near stops the run after a step, by name, to be resumed")
  func heedsTimeLimit() throws {
    let job = try TinyJob(rows: 24)
    let first = try Program.run(job.arguments(output: "run", "--time-limit", "2s"))
    #expect(first.status == 75, "\(first.errors)")
    #expect(first.errors.contains("stopped after step 1 (--time-limit)"))
    let second = try Program.run(
      job.arguments(output: "run"), environment: ["LOCKSTEP_END_TIME": "1000"])
    #expect(second.status == 75, "\(second.errors)")
    #expect(second.errors.contains("stopped after step 2 (LOCKSTEP_END_TIME)"))
    // Nor is the evaluation that a job begins with cut short: the run would never get beyond it.
    for _ in 0..<2 {
      let next = try Program.run(
        job.arguments(output: "run", "--evaluate-every", "3", "--time-limit", "2s"))
      #expect(next.status == 75, "\(next.errors)")
    }
    #expect(try evaluatedSteps(job, "run") == [3])
    let refused = try Program.run(job.arguments(output: "run", "--time-limit", "soon"))
    #expect(refused.status == 64)
  }

  @Test(
    "a loss that is not finite ends the run before the update, with step, rows and tensor",
    arguments: [1, 2])
  func stopsBeforeNonFinite(ranks: Int) throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(
      output: "run", "--learning-rate", "1000", "--max-grad-norm", "0", "--schedule", "constant",
      "--save-every", "1", "--epochs", "40")
    let result = try Program.run(arguments, ranks: ranks)
    #expect(result.status == 65, "\(result.errors)")
    let steps = try job.steps(of: "run")
    let last = try #require(steps.last?["step"] as? Int)
    #expect(result.errors.contains("step \(last + 1), rows "), "\(result.errors)")
    #expect(result.errors.contains("first bad tensor "), "\(result.errors)")
    // The steps before it are saved and whole, the one being written then included.
    #expect(try Program.run(["verify", job.folder.path + "/run"]).status == 0)
    let newest = try FileManager.default.destinationOfSymbolicLink(
      atPath: job.folder.path + "/run/last")
    #expect(newest == "checkpoint-\(last)")
  }

  @Test("a damaged older checkpoint does not count for --keep, and is set aside by name")
  func keepsGoodOnesOnly() throws {
    let job = try TinyJob()
    let arguments = job.arguments(output: "run", "--epochs", "1", "--save-every", "2")
    #expect(try Program.run(arguments + ["--stop-at", "6", "--keep", "3"]).status == 75)
    let damaged = job.folder.path + "/run/checkpoint-4/config.json"
    try (Data(contentsOf: URL(fileURLWithPath: damaged)) + Data(" ".utf8))
      .write(to: URL(fileURLWithPath: damaged))
    let resumed = try Program.run(arguments + ["--stop-at", "9", "--keep", "3"])
    #expect(resumed.status == 75, "\(resumed.errors)")
    #expect(resumed.errors.contains("rejected-4"), "\(resumed.errors)")
    #expect(resumed.errors.contains("config.json"), "\(resumed.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: job.folder.path + "/run")
    #expect(
      names.filter { $0.contains("-") }.sorted()
        == ["checkpoint-2", "checkpoint-6", "checkpoint-8", "checkpoint-9", "rejected-4"])
  }

  @Test(
    "a damaged best checkpoint is the best no more: links and scores are those of what is there")
  func forgetsDamagedBest() throws {
    let job = try TinyJob(rows: 24)
    let arguments = job.arguments(
      output: "run", "--epochs", "4", "--metric", "loss", "--keep", "9")
    #expect(try Program.run(arguments + ["--stop-at", "6"]).status == 75)
    let run = job.folder.path + "/run"
    let damaged = run + "/checkpoint-4/config.json"
    try (Data(contentsOf: URL(fileURLWithPath: damaged)) + Data(" ".utf8))
      .write(to: URL(fileURLWithPath: damaged))
    // The save of step 7 finds the damage; the evaluation of step 8 then has nothing to beat.
    #expect(
      try Program.run(arguments + ["--save-every", "7", "--stop-at", "8"]).status == 75)
    #expect(FileManager.default.fileExists(atPath: run + "/rejected-4"))
    let state = try String(
      contentsOfFile: run + "/checkpoint-8/trainer_state.json", encoding: .utf8)
    #expect(!state.contains("best_global_step"), "\(state)")
    let resumed = try Program.run(arguments)
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try Program.run(["verify", run + "/best"]).status == 0)
  }

  @Test("a run whose checkpoints were all rejected does not begin anew by itself")
  func refusesRejectedRuns() throws {
    let job = try TinyJob(rows: 12)
    let arguments = job.arguments(output: "run", "--max-steps", "4")
    #expect(try Program.run(arguments + ["--stop-at", "2"]).status == 75)
    let config = job.folder.path + "/run/checkpoint-2/config.json"
    try Data("{}".utf8).write(to: URL(fileURLWithPath: config))
    for found in ["none of 1", "only rejected ones"] {
      let refused = try Program.run(arguments)
      #expect(refused.status == 65)
      #expect(refused.errors.contains("found \(found)"), "\(refused.errors)")
    }
    #expect(try job.steps(of: "run").count == 2)
  }
}
