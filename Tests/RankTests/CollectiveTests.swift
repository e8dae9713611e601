import Collectives
import Foundation
import Testing

extension RankTests {
  @Suite("Collectives under mpirun")
  struct CollectiveTests {
    @Test("collectives give the answers known beforehand", arguments: [1, 2, 3, 4, 5, 7, 8])
    func collectives(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "collectives", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked collectives on \(ranks) ranks"))
    }

    @Test("the tree gives the bits of a serial sum on any number of ranks", arguments: 1...8)
    func treeBits(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "tree-bits", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked tree-bits on \(ranks) ranks"))
    }

    @Test(
      "a sharded exchange gives every owner the bits of a serial sum, and all what owners make of it",
      arguments: 1...8)
    func shardedExchange(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "sharded-exchange", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked sharded-exchange on \(ranks) ranks"))
    }

    @Test("gradients that are on their way do not meet another sum's messages", arguments: 1...5)
    func exchangeBesideSum(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "exchange-beside-sum", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked exchange-beside-sum on \(ranks) ranks"))
    }

    @Test(
      "clocks are compared, waits are recorded, and rank 0 has what all ranks recorded",
      arguments: 1...4)
    func timeline(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "timeline", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked timeline on \(ranks) ranks"))
    }

    @Test("where one rank cannot share memory all do without", arguments: [2, 4])
    func refusedSharing(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "refused-sharing", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("a ring gives other bits than the tree, so the tree is needed")
    func ringBits() throws {
      let run = try RankRun.launch(
        RankRun.rankChecks, "tree-bits", "expect-other-order", ranks: 4,
        environment: [
          "OMPI_MCA_coll_tuned_use_dynamic_rules": "1",
          "OMPI_MCA_coll_tuned_allreduce_algorithm": "4",
        ])
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("ranks with unequal arguments are told, not left waiting", arguments: [2, 3])
    func unequalArguments(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "unequal-arguments", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("when any rank fails all of them fail with its message", arguments: [1, 2, 3, 4, 7])
    func agreement(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "agree", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("a failure on any rank is mpirun's exit code and is printed once", arguments: [0, 1, 2])
    func exitCode(failer: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "fail-together", "\(failer)", ranks: 3)
      #expect(run.status == 65, "\(run.output)")
      #expect(run.output.components(separatedBy: "train.tsv:17").count == 2, "\(run.output)")
    }

    @Test("an abort ends ranks that wait", arguments: [0, 2])
    func abort(aborter: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "abort", "\(aborter)", ranks: 3)
      #expect(run.status == 70, "\(run.output)")
      #expect(run.output.contains("rank \(aborter): the disk is gone"))
    }

    @Test("a rank that waits for long leaves its core alone", arguments: [2, 4])
    func idleWait(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "idle-wait", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test(
      "a broadcast passes 2^31 bytes",
      .enabled(if: availableGigabytes() > 12, "needs 12 GB of memory"))
    func largeBroadcast() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "broadcast-gigabytes", "2.2", ranks: 2)
      #expect(run.status == 0, "\(run.output)")
    }
  }
}

extension RankTests {
  @Suite("Ranks without mpirun, and runs that fail")
  struct LaunchTests {
    @Test(
      "without a launcher one rank runs, and starts at once",
      arguments: ["collectives", "agree", "sharded-exchange"])
    func alone(check: String) throws {
      let run = try RankRun.launch(RankRun.rankChecks, check, ranks: nil)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("on 1 ranks"))
    }

    @Test("without a launcher neither a daemon nor an abort needs MPI")
    func aloneAbort() throws {
      // An empty PATH hides orted, which MPI_Init would start.
      let run = try RankRun.launch(
        RankRun.rankChecks, "abort", ranks: nil, environment: ["PATH": ""])
      #expect(run.status == 70, "\(run.output)")
      #expect(run.output == "rank 0: the disk is gone\n")
    }

    @Test(
      "one rank alone under a launcher that announces two is an error",
      arguments: ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
    func foreignLauncher(variable: String) throws {
      let run = try RankRun.launch(
        RankRun.rankChecks, "collectives", ranks: nil, environment: [variable: "2"])
      #expect(run.status == 65, "\(run.output)")
      #expect(run.output.contains("expected 2 ranks (\(variable)=2), found a communicator of 1"))
    }

    @Test("a check that fails on one rank fails the run and says why")
    func failingCheck() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "fail-a-check", ranks: 3)
      #expect(run.status == 1, "\(run.output)")
      #expect(run.output.contains("rank 2: found wrong on purpose"))
    }

    @Test("a rank that hangs fails the run in time")
    func hangingRank() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "hang", ranks: 2, timeout: 3)
      #expect(run.status != 0, "\(run.output)")
      #expect(run.seconds < 20)
    }
  }
}

/// MemAvailable of /proc/meminfo.
private func availableGigabytes() -> Double {
  let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
  let line = lines.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
  let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
  return kilobytes * 1024 / 1e9
}
