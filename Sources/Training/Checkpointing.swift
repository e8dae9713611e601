import Checkpoints
import Collectives
import Encoders
import Foundation
import Kernels
import Manifests

/// Writes a run's checkpoints, keeps its best and last links, and removes what is no longer kept.
/// Rank 0 alone has one.
///
/// A save is begun between two steps and written by a thread of its own. The steps that follow read
/// the parameters and moments that it writes; before an update changes them, what is not written yet
/// is copied. A save that fails costs a warning: the checkpoints before it stay as they were, and the
/// next save is the next attempt.
final class Checkpointing {
  private let run: OpenRun
  private let replica: Replica
  private let options: TrainingOptions
  private let communicator: Communicator
  private let report: ConsoleReport
  /// The model folder's tokenizer files, which may be gone before the run ends.
  private let tokenizerFiles: [(name: String, bytes: [UInt8])]
  private var cost: SaveCost
  private var current: Save?
  /// The error of the last save that ended, if it failed.
  private var lastError: (any Error)?
  private var failedSteps: Set<Int> = []
  /// Steps of checkpoints known to be good.
  private var verifiedSteps: Set<Int>
  private var savedBest: BestModel?
  /// Makes the card of a state and of what its evaluation said.
  private let card: (TrainerState, (any TaskMetrics)?) -> ModelCard
  private var evaluated: (step: Int, metrics: any TaskMetrics)?

  /// - Parameters:
  ///   - tokenizerFiles: names of files in the model folder.
  ///   - resumed: the state of the checkpoint that the run goes on from.
  ///   - card: makes the card of a state, and of the metrics of these very parameters, if any.
  init(
    run: OpenRun, replica: Replica, options: TrainingOptions, communicator: Communicator,
    report: ConsoleReport, tokenizerFiles: [String], resumed: TrainerState?,
    card: @escaping (TrainerState, (any TaskMetrics)?) -> ModelCard
  ) throws {
    self.run = run
    self.replica = replica
    self.options = options
    self.communicator = communicator
    self.report = report
    self.tokenizerFiles = try tokenizerFiles.map {
      ($0, try contents(ofFile: options.model + "/" + $0, limit: 1 << 30))
    }
    cost = SaveCost(bytes: replica.count * 12)
    verifiedSteps = resumed.map { [$0.globalStep] } ?? []
    savedBest = resumed?.best
    self.card = card
  }

  /// Notes what an evaluation said of a step, for its card.
  func note(_ metrics: any TaskMetrics, ofStep step: Int) { evaluated = (step, metrics) }

  /// The newest checkpoint.
  func lastPath() throws -> String? {
    try run.checkpoints.step(of: .last).map(run.checkpoints.checkpointPath(step:))
  }

  /// The checkpoint that the best evaluation saved, or the newest where none was best.
  func bestPath() throws -> String? {
    guard let step = try run.checkpoints.step(of: .best) else { return try lastPath() }
    return run.checkpoints.checkpointPath(step: step)
  }

  /// The time that a last step and its checkpoint take, generously.
  var reserve: Duration { cost.reserve }

  /// Begins to save the replica as `checkpoint-STEP`, after ``awaitWriter()``. With `--save-mode sync`
  /// it has ended on return.
  ///
  /// - Parameters:
  ///   - prunes: whether old checkpoints go afterwards, those of earlier jobs verified first.
  ///   - start: since when training stands still for it.
  func begin(_ state: TrainerState, prunes: Bool, since start: ContinuousClock.Instant) {
    precondition(current == nil, "a save is under way")
    var state = state
    correctBest(in: &state)
    do {
      let metrics = try run.writeWaitingMetrics()
      state.metricsBytes = metrics.bytes
      let snapshot = LazySnapshot(of: replica.savedArenas)
      let thread = try startWriting(
        state, snapshot, syncMetrics: metrics.sync, prunes: prunes)
      current = Save(state: state, snapshot: snapshot, thread: thread, start: start)
      block(since: start)
    } catch {
      fail(state, error)
    }
    if options.saveMode == .sync { awaitWriter() }
  }

  /// Copies what the save under way has not written; to be called before parameters or moments
  /// change.
  func parametersWillChange() {
    guard let save = current else { return }
    let start = ContinuousClock.now
    // Time of the step that this is a part of, so it is not counted again as a wait.
    defer { current?.blocked += ContinuousClock.now - start }
    let pool = replica.pool
    let hasRoom = save.snapshot.detach { blocks, body in
      pool.run(blocks) { block, _ in body(block) }
    }
    if !hasRoom { awaitResult() }
  }

  /// Notes that a step was taken, and a save that has ended meanwhile.
  func stepped(tokens: Int, took duration: Duration) {
    cost.stepped(tokens: tokens, duration, isSaving: current != nil)
    collect()
  }

  /// Waits until nothing is under way.
  ///
  /// - Throws: The error of the last save if that failed.
  func finish() throws {
    awaitWriter()
    if let lastError { throw lastError }
  }

  /// Puts back the best checkpoint that there is, where the one that `state` names was not saved.
  func correctBest(in state: inout TrainerState) {
    guard let step = state.bestGlobalStep, failedSteps.contains(step) else { return }
    state.best = savedBest
  }
}

// One save.
extension Checkpointing {
  private struct Save {
    let state: TrainerState
    let snapshot: LazySnapshot
    let thread: BackgroundSave<Saved>
    let start: ContinuousClock.Instant
    /// How long training has stood still for it.
    var blocked = Duration.zero
  }

  private struct Saved: Sendable {
    let receipt: CheckpointReceipt
    let pruning: Pruning
  }

  /// Time outside of steps for which training stood still for the save under way.
  private func block(since start: ContinuousClock.Instant) {
    let duration = ContinuousClock.now - start
    current?.blocked += duration
    cost.blocked(duration)
  }

  /// Waits for the save under way, if any.
  func awaitWriter() {
    let start = ContinuousClock.now
    awaitResult()
    block(since: start)
    collect()
  }

  private func awaitResult() {
    var bytesDone = 0
    while let save = current, save.thread.result == nil {
      usleep(2000)
      // A disk that takes nothing any more is no progress.
      if save.thread.bytesDone == bytesDone { communicator.waited() } else { communicator.worked() }
      bytesDone = save.thread.bytesDone
    }
  }

  private func collect() {
    guard let save = current, let result = save.thread.result else { return }
    current = nil
    let added = cost.endSave(after: ContinuousClock.now - save.start)
    switch result {
    case .success(let saved):
      lastError = nil
      verifiedSteps = saved.pruning.verified
      // A best checkpoint that turned out to be damaged is none.
      failedSteps.formUnion(saved.pruning.rejected)
      if let best = savedBest, failedSteps.contains(best.globalStep) { savedBest = nil }
      if save.state.bestGlobalStep == save.state.globalStep { savedBest = save.state.best }
      for warning in saved.pruning.warnings { report.warn(warning) }
      let record = CheckpointRecord(
        event: "checkpoint", step: save.state.globalStep,
        path: "checkpoint-\(save.state.globalStep)", bytes: saved.receipt.bytes,
        seconds: saved.receipt.seconds, blockedSeconds: save.blocked.seconds,
        addedSeconds: added)
      do { try run.append(record) } catch { report.warn("\(error)") }
    case .failure(let error):
      fail(save.state, error)
    }
  }

  private func fail(_ state: TrainerState, _ error: any Error) {
    lastError = error
    failedSteps.insert(state.globalStep)
    report.warn(
      "checkpoint-\(state.globalStep) was not saved: \(error). "
        + "What was saved before is whole; the next save tries again")
  }

  private func startWriting(
    _ state: TrainerState, _ snapshot: LazySnapshot,
    syncMetrics: @escaping @Sendable () throws -> Void, prunes: Bool
  ) throws -> BackgroundSave<Saved> {
    let layout = replica.model.layout
    func views(_ arena: Arena) -> [TensorView] {
      tensors(of: layout, in: arena).map { view in
        var view = view
        view.snapshot = snapshot
        return view
      }
    }
    let labelNames = replica.model.configuration.labelNames
    let thresholds = try state.thresholds.map {
      (LabelThresholds.fileName, try LabelThresholds($0).json(labelNames: labelNames))
    }
    let metrics = evaluated.flatMap { $0.step == state.globalStep ? $0.metrics : nil }
    let card = try card(state, metrics).markdown()
    let contents = CheckpointContents(
      weights: views(replica.parameters), expAvg: views(replica.expAvg),
      expAvgSq: views(replica.expAvgSq),
      files: [
        ("config.json", Array(try replica.model.configuration.json())),
        ("trainer_state.json", Array(try state.json())),
        (ModelCard.fileName, Array(card.utf8)),
      ] + (thresholds.map { [$0] } ?? []) + tokenizerFiles, maxShardBytes: options.maxShardBytes)
    let (folder, step, keep) = (run.checkpoints, state.globalStep, options.keep)
    let isBest = state.bestGlobalStep == step
    let known = verifiedSteps.union([step])
    let reserves = options.saveMode == .async
    return BackgroundSave { progress in
      if reserves {
        unbindThread()
        snapshot.reserve()
      }
      try syncMetrics()
      let receipt = try writeCheckpoint(
        contents, to: folder.checkpointPath(step: step), replacing: true, progress: progress)
      try folder.point(.last, atStep: step)
      if isBest { try folder.point(.best, atStep: step) }
      var pruning = Pruning(verified: known)
      if prunes { pruning.apply(to: folder, keeping: keep, progress) }
      return Saved(receipt: receipt, pruning: pruning)
    }
  }
}

/// The removal of what `--keep` does not keep, after a save is committed.
private struct Pruning: Sendable {
  /// Steps of checkpoints known to be good.
  private(set) var verified: Set<Int>
  /// Steps of those found to be damaged.
  private(set) var rejected: [Int] = []
  /// What to tell the user.
  private(set) var warnings: [String] = []

  init(verified: Set<Int>) { self.verified = verified }

  /// Checkpoints of earlier jobs are verified first: damaged ones must not count, and are set aside.
  /// One that cannot be read just now neither counts nor goes.
  mutating func apply(to folder: RunFolder, keeping count: Int, _ progress: (Int) -> Void) {
    do {
      for candidate in try folder.checkpoints() where !verified.contains(candidate.step) {
        try verify(candidate, in: folder, progress)
      }
      try folder.removeOldCheckpoints(keeping: count) { [verified] in verified.contains($0.step) }
    } catch {
      warnings.append("old checkpoints stay: \(error)")
    }
  }

  private mutating func verify(
    _ candidate: RunCheckpoint, in folder: RunFolder, _ progress: (Int) -> Void
  ) throws {
    do {
      try Checkpoint(path: candidate.path).verify(progress: progress)
      verified.insert(candidate.step)
    } catch let error as ManifestError where error.mayPass {
      warnings.append("\(candidate.path) cannot be verified: \(error)")
    } catch {
      let place = try folder.setAside(candidate)
      rejected.append(candidate.step)
      warnings.append("\(candidate.path) does not verify and is now \(place): \(error)")
    }
  }
}

extension Checkpoint {
  /// Reads both moments of every parameter into a replica's arenas.
  ///
  /// - Parameter progress: Called after every parameter.
  func readMoments(_ replica: Replica, progress: () -> Void) throws {
    for parameter in replica.model.layout.parameters {
      try readOptimizer(
        .expAvg, of: parameter.name, shape: parameter.shape,
        into: replica.expAvg.base + parameter.offset)
      try readOptimizer(
        .expAvgSq, of: parameter.name, shape: parameter.shape,
        into: replica.expAvgSq.base + parameter.offset)
      progress()
    }
  }
}
