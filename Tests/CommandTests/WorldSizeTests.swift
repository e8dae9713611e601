import Foundation
import Testing

/// What the number of ranks may change: who computes what, and nothing else.
@Suite struct WorldSizeTests {
  private static let files = ["model.safetensors", "optimizer-00001-of-00001.safetensors"]

  @Test("1, 2, 3, 4 and 8 ranks give the same records and bytes over an epoch, dropout on")
  func ranksDoNotChangeLearning() throws {
    // All rows of the sample: 69 batches of 6 and one of a single row.
    let job = try TinyJob(rows: 415, validationRows: 104)
    var reference: (steps: [NSDictionary], files: [Data])?
    for ranks in [1, 2, 3, 4, 8] {
      let output = "ranks-\(ranks)"
      try expectSuccess(
        of: job.arguments(output: output, "--epochs", "1", "--micro-batches", "8"), ranks: ranks)
      let steps = try sharedRecords(job, output)
      #expect(steps.count == 70)
      let files = try Self.files.map { try job.bytes(output, "checkpoint-70", $0) }
      try printDigests(job, output, "checkpoint-70", "\(ranks) ranks")
      guard let reference else {
        reference = (steps, files)
        continue
      }
      for (step, expected) in zip(steps, reference.steps) {
        #expect(step == expected, "\(ranks) ranks: \(step), one rank: \(expected)")
      }
      for (name, equal) in zip(Self.files, zip(files, reference.files).map(==)) {
        #expect(equal, "\(name) of \(ranks) ranks differs from one rank's")
      }
    }
  }

  @Test("an exchange beside the backward pass changes no byte", arguments: [1, 2, 3, 4])
  func overlapChangesNothing(ranks: Int) throws {
    let job = try TinyJob()
    for mode in ["on", "off", "auto"] {
      try expectSuccess(
        of: job.arguments(output: mode, "--epochs", "1", "--overlap", mode), ranks: ranks)
    }
    for name in Self.files {
      let expected = try job.bytes("off", "checkpoint-11", name)
      for mode in ["on", "auto"] {
        let equal = try job.bytes(mode, "checkpoint-11", name) == expected
        #expect(equal, "\(name) differs with --overlap \(mode)")
      }
    }
  }

  @Test("a run that 8 ranks begin, 2 continue and 4 end has the bytes of a run on one rank")
  func resumesOnOtherRanks() throws {
    let job = try TinyJob(rows: 415, validationRows: 104)
    let flags = ["--epochs", "1", "--micro-batches", "8"]
    try expectSuccess(of: job.arguments(output: "whole") + flags, ranks: 1)
    for (ranks, stop) in [(8, 23), (2, 46)] {
      let result = try Program.run(
        job.arguments(output: "moved", "--stop-at", "\(stop)") + flags, ranks: ranks)
      #expect(result.status == 75, "\(ranks) ranks: \(result.errors)")
    }
    try expectSuccess(of: job.arguments(output: "moved") + flags, ranks: 4)
    #expect(try sharedRecords(job, "moved") == sharedRecords(job, "whole"))
    for output in ["whole", "moved"] {
      let place = output == "whole" ? "1 rank" : "8, then 2, then 4 ranks"
      try printDigests(job, output, "checkpoint-70", place)
    }
    for name in Self.files {
      let equal =
        try job.bytes("whole", "checkpoint-70", name) == job.bytes("moved", "checkpoint-70", name)
      #expect(equal, "\(name) differs after the resumes")
    }
  }

  @Test("an evaluation has the same metrics to the bit, whoever shares it")
  func sharedEvaluations() throws {
    // 104 rows are four batches: the fourth is short, and five ranks are one too many.
    let job = try TinyJob(rows: 24, validationRows: 104)
    let flags = ["--max-steps", "4", "--evaluate-every", "2", "--micro-batches", "8"]
    var reference: (evaluations: [NSDictionary], result: NSDictionary)?
    for (ranks, sharing) in [(1, "all"), (2, "1"), (2, "all"), (3, "all"), (4, "all"), (5, "all")] {
      let output = "ranks-\(ranks)-\(sharing)"
      let result = try Program.run(
        job.arguments(output: output, "--evaluation-ranks", sharing, "--format", "json") + flags,
        ranks: ranks)
      #expect(result.status == 0, "\(output): \(result.errors)")
      let evaluations = try job.records(of: output)
        .filter { $0["event"] as? String == "evaluation" }
        .map {
          $0.filter { !["seconds", "tokens_per_second", "peak_rss_mb"].contains($0.key) }
            as NSDictionary
        }
      #expect(evaluations.compactMap { $0["step"] as? Int } == [2, 4])
      let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
      // Of the best checkpoint, loaded anew from disk.
      let metrics = try #require((object as? [String: Any])?["metrics"] as? NSDictionary)
      guard let reference else {
        reference = (evaluations, metrics)
        continue
      }
      #expect(evaluations == reference.evaluations, "\(output)")
      #expect(metrics == reference.result, "\(output)")
    }
  }

  @Test("every step's rows and tokens are shared out among the ranks without rest or repetition")
  func ranksPartitionTheBatch() throws {
    let job = try TinyJob()
    // 61 rows in batches of 6: ten whole ones and one of a single row.
    let rows = Array(repeating: 6, count: 10) + [1]
    var shares: [Int: (rows: [[Int]], tokens: [[Int]])] = [:]
    for ranks in [1, 2, 3, 4, 8] {
      let output = "ranks-\(ranks)"
      try expectSuccess(
        of: job.arguments(output: output, "--epochs", "1", "--micro-batches", "8"), ranks: ranks)
      let steps = try job.steps(of: output)
      let share = (
        rows: steps.compactMap { $0["rows_by_rank"] as? [Int] },
        tokens: steps.compactMap { $0["tokens_by_rank"] as? [Int] }
      )
      shares[ranks] = share
      #expect(share.rows.map { $0.reduce(0, +) } == rows)
      for list in share.rows + share.tokens { #expect(list.count == ranks) }
      #expect(share.rows.last?.count { $0 == 0 } == ranks - 1, "one rank has the single row")
      let tokens = share.tokens.map { $0.reduce(0, +) }
      #expect(tokens == shares[1]?.tokens.map { $0.reduce(0, +) })
      #expect(try tokens.reduce(0, +) == shardTokens(of: job.train))
    }
    // Two ranks of the finer list have the work of one of the coarser.
    for (fine, coarse) in [(8, 4), (4, 2), (2, 1)] {
      #expect(shares[fine]?.rows.map(pairSums) == shares[coarse]?.rows)
      #expect(shares[fine]?.tokens.map(pairSums) == shares[coarse]?.tokens)
    }
    #expect(shares[8]?.rows.contains { Set($0).count > 1 } == true, "shares differ somewhere")
  }

  /// Step records without who had which share.
  private func sharedRecords(_ job: TinyJob, _ output: String) throws -> [NSDictionary] {
    try job.steps(of: output).map { record in
      record.filter { !$0.key.hasSuffix("_by_rank") } as NSDictionary
    }
  }

  /// For the log: what a checkpoint's manifest says of its weights and moments, once it verifies.
  private func printDigests(
    _ job: TinyJob, _ output: String, _ checkpoint: String, _ place: String
  ) throws {
    let path = "\(job.folder.path)/\(output)/\(checkpoint)"
    #expect(try Program.run(["verify", path]).status == 0)
    let manifest = try JSONSerialization.jsonObject(
      with: job.bytes(output, checkpoint, "manifest.json"))
    let records = (manifest as? [String: Any])?["files"] as? [[String: Any]] ?? []
    for name in Self.files {
      let record = records.first { $0["name"] as? String == name }
      print("\(place): \(record?["sha256"] as? String ?? "not in the manifest")  \(name)")
    }
  }

  private func expectSuccess(of arguments: [String], ranks: Int) throws {
    let result = try Program.run(arguments, ranks: ranks)
    #expect(result.status == 0, "\(ranks) ranks: \(result.errors)")
  }

  private func shardTokens(of path: String) throws -> Int? {
    let inspected = try Program.run(["inspect", path, "--format", "json"])
    let shards = try JSONSerialization.jsonObject(with: Data(inspected.output.utf8))
    return (shards as? [String: Any])?["tokens"] as? Int
  }
}

/// [2n] -> [n]: each number and the next one.
private func pairSums(_ numbers: [Int]) -> [Int] {
  stride(from: 0, to: numbers.count, by: 2).map { numbers[$0] + numbers[$0 + 1] }
}
