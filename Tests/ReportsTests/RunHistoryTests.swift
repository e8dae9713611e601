import Foundation
import Glibc
import Manifests
import Testing

@testable import Reports

@Suite struct RunHistoryTests {
  @Test("records of every kind are added up, and the best evaluation keeps its labels")
  func readsRecords() throws {
    let folder = try TemporaryRun(
      configuration:
        #"{"metric":"f1","total_steps":4,"label_names":["joy","fear"],"dropout":null}"#,
      metrics: Lines.step(1, loss: 0.75) + Lines.step(2) + Lines.timing(2)
        + Lines.evaluation(2, f1: "0.5") + Lines.step(3) + Lines.step(4, loss: 0.25)
        + Lines.timing(4) + Lines.evaluation(4, f1: "0.25")
        + #"{"event":"checkpoint","step":4,"path":"checkpoint-4","bytes":1000,"seconds":0.5}"#
        + "\n"
        + #"{"event":"from another version","step":[]}"# + "\n")
    let run = try RunHistory(folder: folder.path + "/")
    #expect(run.path == folder.path)
    #expect(run.state == .finished(early: false))
    #expect(run.loss.buckets.map(\.mean) == [0.75, 0.5, 0.5, 0.25])
    #expect(run.lastStep == 4)
    #expect(run.tokensByRank == [360, 440])
    #expect(run.bestEvaluation?.step == 2)
    #expect(run.evaluations[1].scores.keys.sorted() == ["f1", "loss", "roc_auc"])
    #expect(run.evaluations[1].score("roc_auc") == nil)
    #expect(run.detail.step == 2)
    #expect(run.detail.labels.map(\.name) == ["joy", "fear"])
    #expect(run.detail.labels[0].threshold == 0.4)
    #expect(run.detail.sweep.f1 == [0.65])
    #expect(run.timing.phases.map(\.name) == ["forward", "optimizer"])
    #expect(run.timing.phases[0].secondsByRank == [0.4, 0.5])
    #expect(run.timing.tokens == 800)
    #expect(
      run.events == [
        RunHistory.Event(
          kind: "checkpoint", step: 4, path: "checkpoint-4", bytes: 1000, seconds: 0.5)
      ])
    #expect(run.setting("dropout") == nil)
    #expect(run.notes.isEmpty)
  }

  @Test("where less of the metric is better, the lowest evaluation is the best")
  func findsLowest() throws {
    let folder = try TemporaryRun(
      configuration: #"{"metric":"loss"}"#,
      metrics: Lines.evaluation(1, f1: "0.9", loss: 0.5) + Lines.evaluation(2, f1: "0.1", loss: 0.3)
        + Lines.evaluation(3, f1: "0.5", loss: 0.4))
    #expect(try RunHistory(folder: folder.path).bestEvaluation?.step == 2)
  }

  @Test("a last line that is cut anywhere is left out with a note")
  func toleratesCutLine() throws {
    let last = Lines.step(2).dropLast()
    for length in stride(from: 1, to: last.count, by: 7) {
      let folder = try TemporaryRun(metrics: Lines.step(1) + last.prefix(length))
      let run = try RunHistory(folder: folder.path)
      #expect(run.lastStep == 1)
      #expect(run.notes.count == 1 && run.notes[0].contains("line 2"))
    }
  }

  @Test("a damaged line before the last is an error with its file, line and byte")
  func refusesDamage() throws {
    let folder = try TemporaryRun(
      metrics: Lines.step(1) + #"{"event":"step","step":"two"}"# + "\n" + Lines.step(3))
    let error = try #require(throws: ReportError.self) { try RunHistory(folder: folder.path) }
    #expect(error.place == "\(folder.path)/metrics.jsonl:2:24")
    #expect(error.remedy.contains("resume"))
  }

  @Test("a folder that is no run, a file and nothing are errors that say what to name")
  func refusesOthers() throws {
    let empty = try TemporaryRun(configuration: nil, metrics: nil)
    try empty.write("notes.txt", "")
    for (path, found) in [
      (empty.path, "neither"), (empty.path + "/notes.txt", "no folder"),
      (empty.path + "/none", "nothing there"),
    ] {
      let error = try #require(throws: ReportError.self) { try RunHistory(folder: path) }
      #expect(error.place == path)
      #expect(error.found == found)
      #expect(error.remedy.contains("--output of lockstep train"))
    }
  }

  @Test("run.json or metrics.jsonl alone is enough, and said")
  func readsHalves() throws {
    let begun = try TemporaryRun(metrics: nil)
    #expect(try RunHistory(folder: begun.path).notes.first?.contains("no step") == true)
    let copied = try TemporaryRun(configuration: nil, metrics: Lines.step(1))
    let run = try RunHistory(folder: copied.path)
    #expect(run.lastStep == 1)
    #expect(run.state == .stopped)
  }

  @Test("a run is running while a process holds its lock, and only then")
  func seesLock() throws {
    let folder = try TemporaryRun()
    try folder.write("lock", "pid 12 on node")
    #expect(try RunHistory(folder: folder.path).state == .stopped)
    let descriptor = open(folder.path + "/lock", O_RDWR)
    #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    #expect(try RunHistory(folder: folder.path).state == .running(holder: "pid 12 on node"))
    close(descriptor)
    #expect(try RunHistory(folder: folder.path).state == .stopped)
  }

  @Test(
    "the last checkpoint tells a run that is whole from one with something left to do",
    arguments: [
      (4, 4, false, true, .finished(early: false)), (4, 4, true, false, .stopped),
      (3, 4, false, true, .finished(early: true)), (3, 4, false, false, .stopped),
      // Whole at 3 steps, then told to go on to 4.
      (3, 3, false, true, .stopped),
    ] as [(Int, Int, Bool, Bool, RunHistory.State)])
  func readsState(
    step: Int, lastOfAll: Int, isPending: Bool, isFinished: Bool, state: RunHistory.State
  ) throws {
    let folder = try TemporaryRun(configuration: #"{"total_steps":4}"#, metrics: Lines.step(4))
    try FileManager.default.createDirectory(
      atPath: folder.path + "/last", withIntermediateDirectories: false)
    try folder.write(
      "last/trainer_state.json",
      """
      {"global_step":\(step),"max_steps":\(lastOfAll),"is_evaluation_pending":\(isPending),
      "is_finished":\(isFinished),"log_history":[]}
      """)
    #expect(try RunHistory(folder: folder.path).state == state)
  }

  @Test("classes that no run.json describes are judged by accuracy, though they have an F1")
  func judgesClasses() throws {
    let folder = try TemporaryRun(
      configuration: nil,
      metrics: #"{"event":"evaluation","step":1,"f1":0.5,"accuracy":0.5,"matthews":0.1}"# + "\n")
    #expect(try RunHistory(folder: folder.path).metric == "accuracy")
  }

  @Test("numbers that no run has make a page or an error with its line")
  func survivesHugeNumbers() throws {
    let folder = try TemporaryRun(
      metrics: Lines.step(1, tokens: "[\(Int.max)]") + Lines.step(2, tokens: "[\(Int.max)]")
        + Lines.timing(2).replacingOccurrences(of: "400", with: "\(Int.max)")
        + Lines.timing(4).replacingOccurrences(of: "400", with: "\(Int.max)")
        + Lines.evaluation(2, f1: "1e300").replacingOccurrences(of: ":7000", with: ":1e300")
        + #"{"event":"checkpoint","step":4,"bytes":1e300,"seconds":1e20}"# + "\n")
    let run = try RunHistory(folder: folder.path)
    #expect(Report(runs: [run, run]).page().contains("1e300"))
    try folder.write(
      "metrics.jsonl",
      Lines.step(1)
        + Lines.evaluation(2, f1: "0.5").replacingOccurrences(of: "[9,0]", with: "[9,1e300]"))
    let error = try #require(throws: ReportError.self) { try RunHistory(folder: folder.path) }
    #expect(error.place.hasPrefix(folder.path + "/metrics.jsonl:2"))
  }

  @Test("ranks that come later are added, and 40,000 steps stay few points")
  func staysSmall() throws {
    var text = Lines.step(1, tokens: "[100]")
    for step in 2...40_000 { text += Lines.step(step, loss: step == 5000 ? 9 : 0.5) }
    let folder = try TemporaryRun(metrics: text)
    let run = try RunHistory(folder: folder.path)
    #expect(run.tokensByRank == [100 + 90 * 39_999, 110 * 39_999])
    #expect((256...512).contains(run.loss.buckets.count))
    #expect(run.loss.buckets.map(\.maximum).max() == 9)
    #expect(Report(runs: [run]).page().utf8.count < 150_000)
  }
}
