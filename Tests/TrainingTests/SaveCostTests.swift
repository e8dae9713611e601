import Foundation
import Testing

@testable import Training

@Suite struct SaveCostTests {
  @Test("a save's cost is its waits and what the steps beside it took longer, token for token")
  func addedTime() {
    var cost = SaveCost(bytes: 0)
    for _ in 0..<10 { cost.stepped(tokens: 100, .milliseconds(100), isSaving: false) }
    cost.blocked(.milliseconds(30))
    // 300 tokens would have taken 300 ms.
    cost.stepped(tokens: 200, .milliseconds(260), isSaving: true)
    cost.stepped(tokens: 100, .milliseconds(150), isSaving: true)
    let added = cost.endSave(after: .milliseconds(400))
    #expect(abs((added ?? -1) - 0.14) < 1e-9)
    // The next save starts from nothing.
    cost.blocked(.milliseconds(500))
    let next = cost.endSave(after: .milliseconds(500))
    #expect(next == 0.5)
  }

  @Test("without a step of its own to compare with, a save's cost is not made up")
  func unknown() {
    var cost = SaveCost(bytes: 0)
    cost.stepped(tokens: 100, .milliseconds(100), isSaving: true)
    let added = cost.endSave(after: .milliseconds(400))
    #expect(added == nil)
  }

  @Test("the time kept free grows with the slowest step and save; before any, with the size")
  func reserve() {
    var cost = SaveCost(bytes: 500_000_000)
    #expect(cost.reserve == .seconds(30))
    cost.stepped(tokens: 1, .seconds(3), isSaving: false)
    _ = cost.endSave(after: .seconds(20))
    #expect(cost.reserve == .seconds(10 + 6 + 40))
  }
}

@Suite struct DeadlineTests {
  @Test("the earliest of limit and batch system counts, and is named")
  func earliest() throws {
    let now = Date().timeIntervalSince1970
    #expect(try Deadline.find(timeLimit: nil, environment: [:]) == nil)
    let slurm = try #require(
      try Deadline.find(
        timeLimit: .seconds(500), environment: ["SLURM_JOB_END_TIME": "\(Int(now) + 100)"]))
    #expect(slurm.source == "SLURM_JOB_END_TIME")
    #expect((95...101).contains(slurm.remaining.seconds))
    let own = try #require(
      try Deadline.find(
        timeLimit: .seconds(50), environment: ["LOCKSTEP_END_TIME": "\(Int(now) + 100)"]))
    #expect(own.source == "--time-limit")
  }

  @Test(
    "an end time that is no number is refused by its variable", arguments: ["soon", "nan", "-3"])
  func malformed(text: String) {
    let error = #expect(throws: TrainingError.self) {
      try Deadline.find(timeLimit: nil, environment: ["LOCKSTEP_END_TIME": text])
    }
    #expect(error?.place.contains("LOCKSTEP_END_TIME") == true)
    #expect(error?.found == text)
  }
}

@Suite struct ReplicaMajorityTests {
  @Test("the ranks outside of a majority are named; without one, all are")
  func majority() {
    #expect(ranksOutsideMajority([5, 5, 5]) == nil)
    #expect(ranksOutsideMajority([5, 7, 5]) == [1])
    #expect(ranksOutsideMajority([7, 5, 5, 6]) == [0, 1, 2, 3])
    #expect(ranksOutsideMajority([7, 5, 5, 5]) == [0])
    #expect(ranksOutsideMajority([1, 2]) == [0, 1])
  }
}
