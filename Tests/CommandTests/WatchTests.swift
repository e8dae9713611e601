import Foundation
import Testing

/// What a run tells of itself while it lasts.
@Suite struct WatchTests {
  private static let phases = ["data", "forward", "backward", "exchange", "optimizer"]

  @Test(
    "timing records cover every step once, over evaluations, saves and a resume",
    arguments: [1, 2])
  func timingRecords(ranks: Int) throws {
    let job = try TinyJob()
    // A record every second step; a stop, evaluations and saves after odd ones.
    let arguments = job.arguments(
      output: "run", "--max-steps", "230", "--evaluate-every", "35", "--save-every", "51",
      "--batch-size", "4")
    let stopped = try Program.run(arguments + ["--stop-at", "101"], ranks: ranks)
    #expect(stopped.status == 75, "\(stopped.errors)")
    let ended = try Program.run(arguments, ranks: ranks)
    #expect(ended.status == 0, "\(ended.errors)")
    let records = try job.records(of: "run")
    let timings = records.filter { $0["event"] as? String == "timing" }
    let lasts = timings.compactMap { $0["step"] as? Int }
    let due = (1...230).filter {
      $0.isMultiple(of: 2) || $0.isMultiple(of: 35) || $0.isMultiple(of: 51) || $0 == 101
    }
    #expect(lasts == due)
    #expect(timings.compactMap { $0["steps"] as? Int } == zip(due, [0] + due).map(-))
    let tokens = try job.steps(of: "run").compactMap { $0["tokens_by_rank"] as? [Int] }
      .map { $0.reduce(0, +) }
    var start = 0
    for timing in timings {
      let last = try #require(timing["step"] as? Int)
      #expect(timing["tokens"] as? Int == tokens[start..<last].reduce(0, +))
      start = last
      try checkPhases(of: timing, ranks: ranks)
    }
    // A record comes before the evaluation of its step.
    let index = { (event: String) in
      records.firstIndex { $0["event"] as? String == event && $0["step"] as? Int == 35 }
    }
    let (timing, evaluation) = (try #require(index("timing")), try #require(index("evaluation")))
    #expect(timing < evaluation)
  }

  private func checkPhases(of timing: [String: Any], ranks: Int) throws {
    let seconds = try #require(timing["seconds"] as? Double)
    let rate = try #require(timing["tokens_per_second"] as? Double)
    let tokens = try #require(timing["tokens"] as? Int)
    #expect(abs(rate * seconds - Double(tokens)) < 1e-6 * Double(tokens))
    let phases = try #require(timing["phases_by_rank"] as? [String: [Double]])
    #expect(phases.keys.sorted() == Self.phases.sorted())
    #expect(phases.values.allSatisfy { $0.count == ranks && $0.allSatisfy { $0 >= 0 } })
    // Of rank 0, whose seconds these are, all but the time in which it logs.
    let sum = phases.values.reduce(0) { $0 + $1[0] }
    #expect(sum > 0 && sum <= seconds)
  }

  @Test(
    "--tensorboard and --trace change no byte of a checkpoint; without them nothing is there",
    arguments: [1, 2])
  func flagsChangeNothing(ranks: Int) throws {
    let job = try TinyJob()
    let plain = try Program.run(job.arguments(output: "plain", "--epochs", "1"), ranks: ranks)
    #expect(plain.status == 0, "\(plain.errors)")
    let watched = try Program.run(
      job.arguments(output: "watched", "--epochs", "1", "--tensorboard", "--trace", "2:4,9"),
      ranks: ranks)
    #expect(watched.status == 0, "\(watched.errors)")
    let steps = try ["plain", "watched"].map { try job.steps(of: $0).map { $0 as NSDictionary } }
    #expect(steps[0] == steps[1])
    for name in ["model.safetensors", "optimizer-00001-of-00001.safetensors"] {
      let equal =
        try job.bytes("plain", "checkpoint-11", name)
        == job.bytes("watched", "checkpoint-11", name)
      #expect(equal, "\(name) differs")
    }
    let names = try ["plain", "watched"].map {
      Set(try FileManager.default.contentsOfDirectory(atPath: job.folder.path + "/" + $0))
    }
    #expect(names[0].isDisjoint(with: ["tensorboard", "trace-2.json", "trace-9.json"]))
    #expect(names[1].subtracting(names[0]) == ["tensorboard", "trace-2.json", "trace-9.json"])
    #expect(names[0].isSubset(of: names[1]))
  }

  @Test(
    "the phases of every rank in a trace are its steps, to the nanosecond", arguments: [1, 2, 3])
  func traceAddsUp(ranks: Int) throws {
    let job = try TinyJob()
    let result = try Program.run(
      job.arguments(output: "run", "--epochs", "1", "--trace", "2:5"), ranks: ranks)
    #expect(result.status == 0, "\(result.errors)")
    let data = try job.bytes("run", ".", "trace-2.json")
    let trace = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let about = try #require(trace["otherData"] as? [String: Any])
    #expect(about["steps"] as? [Int] == [2, 5])
    #expect(about["dropped"] as? [Int] == Array(repeating: 0, count: ranks))
    let clocks = try #require(about["clocks"] as? [[String: Any]])
    #expect(clocks.compactMap { $0["rank"] as? Int } == Array(0..<ranks))
    let events = try #require(trace["traceEvents"] as? [[String: Any]])
    let named = events.filter { $0["name"] as? String == "process_name" }
    #expect(named.compactMap { $0["pid"] as? Int } == Array(0..<ranks))
    let slices = try events.filter { $0["ph"] as? String == "X" }.map(Slice.init)
    for rank in 0..<ranks {
      let own = slices.filter { $0.rank == rank }
      let steps = own.filter { $0.category == "step" }
      #expect(steps.map(\.name) == ["step 2", "step 3", "step 4", "step 5"])
      for step in steps {
        let phases = own.filter { $0.category == "phase" && step.contains($0) }
        #expect(Set(phases.map(\.name)) == Set(Self.phases))
        #expect(phases.reduce(0) { $0 + $1.duration } == step.duration, "\(step)")
      }
      let inSteps = own.filter { ["bucket", "phase"].contains($0.category) }
      #expect(inSteps.allSatisfy { slice in steps.contains { $0.contains(slice) } })
    }
    #expect(slices.contains { $0.category == "messages" } == (ranks > 1))
  }

  /// Of a trace, in nanoseconds.
  private struct Slice {
    let name: String
    let category: String
    let rank: Int
    let start: Int
    let duration: Int

    init(_ event: [String: Any]) throws {
      name = try #require(event["name"] as? String)
      category = try #require(event["cat"] as? String)
      rank = try #require(event["pid"] as? Int)
      start = Int((try #require(event["ts"] as? Double) * 1000).rounded())
      duration = Int((try #require(event["dur"] as? Double) * 1000).rounded())
    }

    func contains(_ other: Slice) -> Bool {
      start <= other.start && other.start + other.duration <= start + duration
    }
  }

  @Test("a trace that a stop cuts short has the steps that were done; the next job has the rest")
  func cutTrace() throws {
    let job = try TinyJob()
    let arguments = job.arguments(output: "run", "--epochs", "1", "--trace", "3:8")
    #expect(try Program.run(arguments + ["--stop-at", "5"], ranks: 2).status == 75)
    #expect(try Program.run(arguments, ranks: 2).status == 0)
    for (name, steps) in [("trace-3.json", [3, 5]), ("trace-6.json", [6, 8])] {
      let object = try JSONSerialization.jsonObject(with: job.bytes("run", ".", name))
      let about = (object as? [String: Any])?["otherData"] as? [String: Any]
      #expect(about?["steps"] as? [Int] == steps)
    }
  }

  @Test("each job adds an event file after the others; a recipe turns them on, a flag off")
  func eventFiles() throws {
    let job = try TinyJob(rows: 12)
    let recipe = try job.folder.write("recipe.yaml", "tensorboard: true\ntrace: 1:2\n")
    let arguments = job.arguments(output: "run", "--max-steps", "4", "--recipe", recipe)
    #expect(try Program.run(arguments + ["--stop-at", "2"]).status == 75)
    #expect(try Program.run(arguments + ["--stop-at", "3", "--no-tensorboard"]).status == 75)
    #expect(try Program.run(arguments).status == 0)
    let folder = job.folder.path + "/run/tensorboard"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(names.count == 2)
    #expect(names.allSatisfy { $0.hasPrefix("events.out.tfevents.") })
    let wrong = try job.folder.write("wrong.yaml", "tensorboard: perhaps\n")
    let refused = try Program.run(job.arguments(output: "other", "--recipe", wrong))
    #expect(refused.status == 64)
    #expect(refused.errors.contains("true or false"), "\(refused.errors)")
  }

  @Test("steps to trace that are no steps are refused")
  func refusesTraces() throws {
    let job = try TinyJob(rows: 12)
    for steps in ["0", "5:4", "x"] {
      let refused = try Program.run(job.arguments(output: "run", "--trace", steps))
      #expect(refused.status == 64)
      #expect(refused.errors.contains("--trace"), "\(refused.errors)")
    }
  }
}
