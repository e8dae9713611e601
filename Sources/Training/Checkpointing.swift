import Checkpoints
import Encoders
import Foundation
import Manifests

/// Writes a run's checkpoints, keeps its best and last links, and removes what is no longer kept.
/// Rank 0 alone has one.
final class Checkpointing {
  private let run: OpenRun
  private let replica: Replica
  private let options: TrainingOptions
  /// Of the model folder.
  private let tokenizerFiles: [String]

  init(run: OpenRun, replica: Replica, options: TrainingOptions, tokenizerFiles: [String]) {
    self.run = run
    self.replica = replica
    self.options = options
    self.tokenizerFiles = tokenizerFiles
  }

  /// The newest checkpoint.
  func lastPath() throws -> String? {
    try run.checkpoints.step(of: .last).map(run.checkpoints.checkpointPath(step:))
  }

  /// The checkpoint that the best evaluation saved, or the newest where none was best.
  func bestPath() throws -> String? {
    guard let step = try run.checkpoints.step(of: .best) else { return try lastPath() }
    return run.checkpoints.checkpointPath(step: step)
  }

  /// Saves the replica as `checkpoint-STEP`, moves the links, and removes old checkpoints.
  ///
  /// - Throws: Errors of writing; the checkpoints before stay as they were.
  func save(_ state: TrainerState) throws {
    let start = ContinuousClock.now
    var state = state
    state.metricsBytes = try run.flushMetrics()
    let layout = replica.model.layout
    let path = run.checkpoints.checkpointPath(step: state.globalStep)
    let contents = CheckpointContents(
      weights: tensors(of: layout, in: replica.parameters),
      expAvg: tensors(of: layout, in: replica.expAvg),
      expAvgSq: tensors(of: layout, in: replica.expAvgSq),
      files: [
        ("config.json", Array(try replica.model.configuration.json())),
        ("trainer_state.json", Array(try state.json())),
      ],
      copies: tokenizerFiles.map { ($0, options.model + "/" + $0) },
      maxShardBytes: options.maxShardBytes)
    let receipt = try writeCheckpoint(contents, to: path, replacing: true)
    try run.checkpoints.point(.last, atStep: state.globalStep)
    if state.bestGlobalStep == state.globalStep {
      try run.checkpoints.point(.best, atStep: state.globalStep)
    }
    try run.append(
      CheckpointRecord(
        event: "checkpoint", step: state.globalStep, path: "checkpoint-\(state.globalStep)",
        bytes: receipt.bytes, seconds: (ContinuousClock.now - start).seconds))
    try run.checkpoints.removeOldCheckpoints(keeping: options.keep)
  }
}

extension Checkpoint {
  /// Reads both moments of every parameter into a replica's arenas.
  func readMoments(_ replica: Replica) throws {
    for parameter in replica.model.layout.parameters {
      try readOptimizer(
        .expAvg, of: parameter.name, shape: parameter.shape,
        into: replica.expAvg.base + parameter.offset)
      try readOptimizer(
        .expAvgSq, of: parameter.name, shape: parameter.shape,
        into: replica.expAvgSq.base + parameter.offset)
    }
  }
}
