import Checkpoints
import Manifests

/// The checkpoint that `--resume` means, if any: the newest that verifies, or the one that is named.
///
/// A dry run leaves damaged ones where they are.
func findCheckpoint(
  _ options: TrainingOptions, in run: RunFolder, _ report: ConsoleReport,
  _ progress: (Int) throws -> Void
) throws -> Checkpoint? {
  let isThere = exists(run.path)
  let saved = isThere ? try run.checkpoints() : []
  switch options.resume {
  case .never:
    guard let newest = saved.first else { return nil }
    throw TrainingError(
      .usage, "--resume never", expected: "a run folder without checkpoints",
      found: newest.path, remedy: "choose another --output or remove the old run")
  case .auto:
    for candidate in saved {
      do {
        return try verified(candidate.path, progress)
      } catch let interrupted as Interrupted {
        throw interrupted
      } catch {
        let place =
          options.isDryRun ? "left there by a dry run" : "now \(try run.setAside(candidate))"
        report.warn("passing over \(candidate.path), \(place): \(error)")
      }
    }
    guard saved.isEmpty, try !isThere || !run.hasRejected() else {
      throw TrainingError(
        .data, run.path, expected: "a checkpoint that verifies",
        found: saved.isEmpty ? "only rejected ones" : "none of \(saved.count)",
        remedy: "start anew in another --output, or restore a checkpoint")
    }
    return nil
  case .checkpoint(let path):
    let checkpoint = try verified(path, progress)
    let step = try TrainerState(
      json: checkpoint.trainerState(), path: path + "/trainer_state.json"
    ).globalStep
    guard let newest = saved.first, newest.step > step else { return checkpoint }
    throw TrainingError(
      .usage, "--resume \(path)", expected: "the newest checkpoint of \(run.path)",
      found: "that of step \(step), older than \(newest.path)",
      remedy: "resume it into another --output, or remove the newer ones")
  }
}

private func verified(_ path: String, _ progress: (Int) throws -> Void) throws -> Checkpoint {
  let checkpoint = try Checkpoint(path: path)
  try checkpoint.verify(progress: progress)
  return checkpoint
}

/// The state of a checkpoint that a run goes on from, with the run's links made to agree with it: a
/// kill can come between a save and its links, and a checkpoint of another run has its best one there.
///
/// - Parameter mendsLinks: Whether links may be changed; a dry run has the state only.
func adopt(
  _ checkpoint: Checkpoint, in run: RunFolder, mendsLinks: Bool
) throws -> TrainerState {
  var state = try TrainerState(
    json: checkpoint.trainerState(), path: checkpoint.path + "/trainer_state.json")
  let steps = exists(run.path) ? try run.checkpoints().map(\.step) : []
  if mendsLinks, steps.contains(state.globalStep) {
    try run.point(.last, atStep: state.globalStep)
  }
  if let best = state.bestGlobalStep, steps.contains(best) {
    if mendsLinks { try run.point(.best, atStep: best) }
  } else {
    state.best = nil
  }
  return state
}
