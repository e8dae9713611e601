import Testing

extension RankTests {
  @Suite("Ranks that watch over each other")
  struct WatchdogTests {
    @Test("a silent rank ends the job in time, by name", arguments: [0, 1, 2])
    func silence(rank: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "fall-silent", "\(rank)", ranks: 3)
      #expect(run.status == 70, "\(run.output)")
      // The watchdog has 2 s, start-up and the work before take the rest.
      #expect(run.seconds < 6, "\(run.output)")
      #expect(run.output.contains("lockstep: error: rank \(rank) on "), "\(run.output)")
      #expect(run.output.contains("expected a sign of life, found none for 2 s"), "\(run.output)")
      #expect(run.output.contains("it was last heard of in work of step 17"), "\(run.output)")
    }

    @Test("a killed rank ends the job at once, by name", arguments: [0, 1])
    func death(rank: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "die", "\(rank)", ranks: 3)
      #expect(run.status != 0)
      #expect(run.seconds < 6, "\(run.output)")
      #expect(
        run.output.contains(
          "lockstep: error: rank \(rank) on ") && run.output.contains("found it gone"),
        "\(run.output)")
    }

    @Test("when all ranks wait for each other the job ends, with every rank's place")
    func standstill() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "stand-still", ranks: 2)
      #expect(run.status == 70, "\(run.output)")
      #expect(run.seconds < 6, "\(run.output)")
      #expect(run.output.contains("all ranks: expected progress"), "\(run.output)")
      #expect(run.output.contains("in work of step 17, rank 1 on "), "\(run.output)")
    }

    @Test("work that takes longer than the watchdog's time is no stall")
    func longWork() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "work-long", ranks: 3)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("a request to stop reaches a working rank 0 from any rank")
    func stopRequest() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "ask-to-stop", ranks: 3)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test("a request to stop that rank 0 passes on reaches every working rank")
    func passedOnStopRequest() throws {
      let run = try RankRun.launch(RankRun.rankChecks, "pass-on-stop", ranks: 4)
      #expect(run.status == 0, "\(run.output)")
    }

    @Test(
      "one changed bit of a replica is found, and the rank and tensor named",
      arguments: [(2, 1), (3, 0), (3, 1), (4, 3)])
    func drift(ranks: Int, drifted: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "drift", "\(drifted)", ranks: ranks)
      #expect(run.status == 0, "\(run.output)")
    }
  }
}
