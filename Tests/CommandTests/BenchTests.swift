import Foundation
import Testing

@Suite struct BenchTests {
  /// The JSON object of a benchmark that succeeded.
  private func measure(
    _ arguments: [String], ranks: Int? = nil, _ place: SourceLocation = #_sourceLocation
  ) throws -> [String: Any] {
    let result = try Program.run(
      ["bench"] + arguments + ["--format", "json"], ranks: ranks, seconds: 300)
    #expect(result.status == 0, "\(result.errors)", sourceLocation: place)
    #expect(!result.errors.isEmpty, "a table for people", sourceLocation: place)
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let values = try #require(object as? [String: Any], sourceLocation: place)
    if let ceilings = values["ceilings"] as? [String: Double] {
      for name in ["gflops", "gigabytes_per_second"] {
        let (mean, best) = (ceilings[name] ?? 0, ceilings[name + "_best"] ?? 0)
        #expect(0 < mean && mean <= best, "ceiling \(name)", sourceLocation: place)
      }
    } else {
      Issue.record("no ceilings in \(values)", sourceLocation: place)
    }
    return values
  }

  private func number(_ values: [String: Any], _ name: String) throws -> Double {
    try #require(values[name] as? Double, "\(name) in \(values)")
  }

  @Test("step times the trainer's own step on shards, and its numbers agree with each other")
  func timesSteps() throws {
    let job = try TinyJob(rows: 24)
    let flags = [
      "step", "--model", job.model, "--train", job.train, "--steps", "4", "--warmup", "1",
      "--threads", "1", "--batch-size", "6", "--micro-batches", "4",
    ]
    let one = try measure(flags)
    let milliseconds = try number(one, "ms_per_step")
    #expect(milliseconds > 0)
    let perStep = try number(one, "tokens_per_step")
    let mean = try number(one, "ms_per_step_mean")
    let rate = try number(one, "tokens_per_second")
    #expect(abs(rate - 1000 * perStep / mean) < 1e-6 * rate)
    let fraction = try number(one, "fraction_of_floor")
    #expect(try abs(fraction - number(one, "floor_ms") / milliseconds) < 1e-9)
    let phases = try #require(one["phases_ms"] as? [String: Double])
    #expect(
      phases.keys.sorted() == ["backward", "data", "exchange", "forward", "optimizer"])
    for name in ["forward", "backward", "optimizer"] { #expect(phases[name] ?? 0 > 0, "\(name)") }
    #expect(phases.values.reduce(0, +) <= mean)
    #expect(try number(one, "peak_rss_mb") > 1)
    #expect(try number(one, "loss_first").isFinite)

    let two = try measure(flags, ranks: 2)
    #expect(two["ranks"] as? Int == 2)
    #expect(two["digest"] as? String == one["digest"] as? String)
    #expect(two["loss_last"] as? Double == one["loss_last"] as? Double)
    #expect(try number(two, "bytes_sent_per_step") > 0)
    #expect((two["peak_rss_mb_by_rank"] as? [Double])?.count == 2)
  }

  @Test("step makes rows up where it is given none, and the seed decides them")
  func makesRowsUp() throws {
    let job = try TinyJob(rows: 12)
    func digest(seed: Int) throws -> String {
      let values = try measure([
        "step", "--model", job.model, "--steps", "1", "--warmup", "0", "--seed", "\(seed)",
      ])
      #expect(values["data"] as? String == "synthetic")
      return try #require(values["digest"] as? String)
    }
    let first = try digest(seed: 1)
    #expect(try digest(seed: 1) == first)
    #expect(try digest(seed: 2) != first)
  }

  @Test("gemm has every layer and pass, and the total lies between the slowest and the fastest")
  func timesProducts() throws {
    let job = try TinyJob(rows: 12)
    let values = try measure(["gemm", "--model", job.model, "--tokens", "13", "--threads", "2"])
    let shapes = try #require(values["shapes"] as? [[String: Any]])
    #expect(shapes.count == 12)
    let rates = shapes.filter { $0["pass"] as? String != "weights" }
      .compactMap { $0["gflops"] as? Double }
    let total = try number(values, "gflops")
    let (least, most) = (try #require(rates.min()), try #require(rates.max()))
    #expect(least > 0)
    #expect((least...most).contains(total))
  }

  @Test("memory has a triad and a copy for each number of threads")
  func measuresMemory() throws {
    let values = try measure(["memory", "--threads", "2", "--size", "1MB"])
    #expect(try number(values, "gigabytes_per_second") > 0)
    for kind in ["triad", "copy"] {
      let results = try #require(values[kind] as? [[String: Any]])
      #expect(results.compactMap { $0["threads"] as? Int } == [1, 2])
    }
  }

  @Test("allreduce sums on one rank and on three, where the tree and MPI send and take time")
  func timesAllReduce() throws {
    let flags = ["allreduce", "--sizes", "4KB,1MB", "--repetitions", "3", "--threads", "1"]
    for ranks in [nil, 3] {
      let values = try measure(flags, ranks: ranks)
      #expect(values["ranks"] as? Int == ranks ?? 1)
      #expect(try number(values, "gigabytes_per_second") > 0)
      let sizes = try #require(values["sizes"] as? [[String: Any]])
      #expect(sizes.compactMap { $0["bytes"] as? Int } == [4000, 1_000_000])
      let sent = sizes.compactMap { $0["bytes_sent"] as? Int }
      #expect(sent.count == 2)
      #expect(sent.allSatisfy { ($0 > 0) == (ranks != nil) })
    }
  }

  @Test("tokenize counts the tokens that shard writes")
  func timesTokenizer() throws {
    let job = try TinyJob(rows: 30)
    let table = try job.folder.write("rows.tsv", TinyModel.table(rows: 30))
    let values = try measure([
      "tokenize", "--model", job.model, "--input", table, "--max-length", "64", "--passes", "3",
    ])
    #expect(values["rows"] as? Int == 30)
    let inspected = try Program.run(["inspect", job.train, "--format", "json"])
    let shards = try JSONSerialization.jsonObject(with: Data(inspected.output.utf8))
    #expect(values["tokens"] as? Int == (shards as? [String: Any])?["tokens"] as? Int)
    let (median, best) = (
      try number(values, "tokens_per_second"), try number(values, "tokens_per_second_best")
    )
    #expect(0 < median && median <= best)
  }

  @Test("shards are written, verified and read back in every way")
  func timesShards() throws {
    let values = try measure(["shards", "--rows", "400", "--shards", "3"])
    #expect(values["shards"] as? Int == 3)
    for name in ["write", "verify", "read", "read_again", "read_files"] {
      let rate = try #require(values[name] as? [String: Double], "\(name)")
      #expect(rate["rows_per_second"] ?? 0 > 0, "\(name)")
      #expect(rate["megabytes_per_second"] ?? 0 > 0, "\(name)")
    }
  }

  @Test("checkpoint saves in both modes, verifies, loads, and leaves nothing behind")
  func timesCheckpoints() throws {
    let job = try TinyJob(rows: 12)
    let scratch = try TemporaryFolder()
    let result = try Program.run(
      ["bench", "checkpoint", "--model", job.model, "--saves", "2", "--format", "json"],
      environment: ["TMPDIR": scratch.path])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let values = try #require(object as? [String: Any])
    let saves = try #require(values["saves"] as? [[String: Any]])
    #expect(saves.compactMap { $0["mode"] as? String } == ["async", "sync"])
    for save in saves {
      #expect(try number(save, "seconds") > 0)
      #expect(try number(save, "blocked_seconds") >= 0)
    }
    for name in ["verify", "load", "disk"] {
      #expect(try number(values, name + "_megabytes_per_second") > 0)
    }
  }

  @Test(
    "wrong arguments are refused with code 64 and the flag",
    arguments: [
      ["step", "--model", "minilm", "--steps", "0"],
      ["step", "--model", "minilm", "--warmup", "-1"],
      ["step", "--model", "minilm", "--batch-size", "0"],
      ["step", "--model", "minilm", "--micro-batches", "3"],
      ["step", "--model", "minilm", "--threads", "0"],
      ["gemm", "--tokens", "0"],
      ["memory", "--size", "none"],
      ["memory", "--threads", "2000"],
      ["allreduce", "--sizes", "1MB,"],
      ["allreduce", "--repetitions", "0"],
      ["tokenize", "--model", "m", "--input", "i.tsv", "--passes", "0"],
      ["shards", "--rows", "0"],
      ["checkpoint", "--saves", "0"],
    ])
  func refusesArguments(arguments: [String]) throws {
    let result = try Program.run(["bench"] + arguments)
    #expect(result.status == 64, "\(result.errors)")
    let flag = try #require(arguments.last { $0.hasPrefix("--") })
    #expect(result.errors.contains(flag), "\(result.errors)")
  }

  @Test("a model that is neither a folder nor a size is an error that names it")
  func refusesUnknownModels() throws {
    for command in ["step", "gemm", "checkpoint"] {
      let result = try Program.run(["bench", command, "--model", "bert-giant"])
      #expect(result.status == 65)
      #expect(result.errors.contains("bert-giant"), "\(result.errors)")
    }
  }

  @Test("what is measured in one process is refused under mpirun")
  func refusesRanks() throws {
    for command in ["memory", "checkpoint"] {
      let result = try Program.run(["bench", command], ranks: 2)
      #expect(result.status == 64, "\(result.errors)")
      #expect(result.errors.contains("mpirun"), "\(result.errors)")
    }
  }
}
