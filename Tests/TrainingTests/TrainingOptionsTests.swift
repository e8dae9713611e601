import Foundation
import Testing

@testable import Training

@Suite struct TrainingOptionsTests {
  private func options(_ change: (inout TrainingOptions) -> Void = { _ in }) -> TrainingOptions {
    var options = TrainingOptions(model: "m", train: "t", validation: "v", output: "o")
    change(&options)
    return options
  }

  private func trajectory(_ options: TrainingOptions, ranks: Int = 1) -> Trajectory {
    Trajectory(options, ranks: ranks, trainSHA256: "aa", vocabularySHA256: "bb")
  }

  @Test("a value outside its range is refused by its flag")
  func validates() {
    let bad: [(String, TrainingOptions)] = [
      ("--batch-size", options { $0.batchSize = 0 }), ("--epochs", options { $0.epochs = 0 }),
      ("--max-steps", options { $0.maxSteps = -1 }),
      ("--micro-batches", options { $0.microBatches = 6 }),
      ("--learning-rate", options { $0.learningRate = .nan }),
      ("--learning-rate", options { $0.learningRate = -1e-5 }),
      ("--learning-rate", options { $0.learningRate = .infinity }),
      ("--weight-decay", options { $0.weightDecay = .nan }),
      ("--warmup-ratio", options { $0.warmupRatio = 1.1 }),
      ("--max-grad-norm", options { $0.maxGradNorm = -1 }),
      ("--dropout", options { $0.dropout = 1 }), ("--keep", options { $0.keep = 0 }),
      ("--patience", options { $0.patience = 0 }), ("--threads", options { $0.threads = 0 }),
      ("--stop-at", options { $0.stopAt = 0 }),
    ]
    for (flag, options) in bad {
      let error = #expect(throws: TrainingError.self) { try options.validate() }
      #expect(error?.place == flag)
      #expect(error?.kind == .usage)
    }
    #expect(throws: Never.self) { try options { $0.maxGradNorm = 0 }.validate() }
  }

  @Test("what was not asked for has the notebook's value; micro-batches follow the ranks")
  func resolvesDefaults() {
    let resolved = trajectory(options(), ranks: 3)
    #expect(resolved.batchSize == 8)
    #expect(resolved.learningRate == 2e-5)
    #expect(resolved.weightDecay == 0.01)
    #expect(resolved.microBatches == 4)
  }

  @Test("a resumed run may repeat its flags or leave them out, and change none")
  func checksResume() throws {
    let saved = trajectory(options { $0.learningRate = 1e-4 })
    func check(_ options: TrainingOptions, train: String = "aa", vocabulary: String? = "bb") throws
    {
      try saved.check(against: options, trainSHA256: train, vocabularySHA256: vocabulary)
    }
    #expect(throws: Never.self) { try check(options()) }
    #expect(throws: Never.self) { try check(options { $0.learningRate = 1e-4 }) }
    let changes: [(String, TrainingOptions)] = [
      ("--learning-rate", options { $0.learningRate = 2e-5 }),
      ("--seed", options { $0.seed = 1 }), ("--batch-size", options { $0.batchSize = 16 }),
      ("--micro-batches", options { $0.microBatches = 2 }),
      ("--schedule", options { $0.schedule = .cosine }),
      ("--dropout", options { $0.dropout = 0 }), ("--all-reduce", options { $0.exchange = .mpi }),
      ("--max-grad-norm", options { $0.maxGradNorm = 2 }),
      ("--warmup-ratio", options { $0.warmupRatio = 0.1 }),
      ("--weight-decay", options { $0.weightDecay = 0 }),
    ]
    for (flag, options) in changes {
      let error = #expect(throws: TrainingError.self) { try check(options) }
      #expect(error?.place == flag)
    }
    #expect(throws: TrainingError.self) { try check(options(), train: "cc") }
    #expect(throws: TrainingError.self) { try check(options(), vocabulary: "cc") }
  }

  @Test("more ranks than micro-batches raise them to the next power of two")
  func raisesMicroBatches() {
    var saved = trajectory(options(), ranks: 2)
    let unchanged = saved.raiseMicroBatches(toRanks: 2)
    #expect(!unchanged)
    let raised = saved.raiseMicroBatches(toRanks: 5)
    #expect(raised)
    #expect(saved.microBatches == 8)
  }

  @Test("intervals are epoch or a number of steps from 1")
  func readsIntervals() {
    #expect(TrainingOptions.Interval("epoch") == .epoch)
    #expect(TrainingOptions.Interval("20") == .steps(20))
    for text in ["0", "-1", "epochs", "", "1.5"] { #expect(TrainingOptions.Interval(text) == nil) }
  }

  @Test("trainer_state.json reads back to the last bit and names its file when it is damaged")
  func stateRoundTrips() throws {
    var saved = trajectory(options())
    saved.learningRate = 1.0 / 3
    let state = TrainerState(
      globalStep: 7, epoch: 7.0 / 11, maxSteps: 22, numTrainEpochs: 2, trainBatchSize: 8,
      bestMetric: 0.1 + 0.2, cursor: .init(epoch: 0, step: 7), trajectory: saved,
      bestMetricName: BestMetric(rawValue: "f1"), evaluationsWithoutImprovement: 1,
      lossSum: 4.9 / 7, lossSteps: 7,
      metricsBytes: 1234, isEvaluationPending: true, isFinished: false, worldSize: 2, threads: 1,
      coreType: "Zen")
    let json = try state.json()
    #expect(try TrainerState(json: json, path: "x") == state)
    let error = #expect(throws: TrainingError.self) {
      try TrainerState(json: Data("{}".utf8), path: "run/trainer_state.json")
    }
    #expect(error?.place == "run/trainer_state.json")
  }
}
