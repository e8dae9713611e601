import Foundation
import Testing

@testable import Training

/// trainer_state.json of a stranger's checkpoint, which verifies against the stranger's manifest.
@Suite struct TrainerStateTests {
  private static let valid = """
    {"global_step": 7, "epoch": 0.5, "max_steps": 22, "num_train_epochs": 2, "train_batch_size": 6,
     "best_metric": 0.5, "best_global_step": 4, "best_model_checkpoint": "checkpoint-4",
     "best_metric_name": "f1", "cursor": {"epoch": 3, "step": 5},
     "evaluations_without_improvement": 1, "loss_sum": 1.25, "loss_steps": 3, "metrics_bytes": 900,
     "requested_max_steps": 21, "is_finished": false, "is_evaluation_pending": true, "world_size": 2,
     "threads": 1,
     "core_type": "Zen", "trajectory": {"seed": 42, "batch_size": 8, "micro_batches": 4,
     "requested_micro_batches": 2, "learning_rate": 2e-5, "weight_decay": 0.01,
     "warmup_ratio": 0.125, "schedule": "linear", "max_grad_norm": 1, "dropout": 0.25,
     "all_reduce": "tree", "train_sha256": "aa", "vocabulary_sha256": "bb"}}
    """

  private func read(_ text: String) throws -> TrainerState {
    try TrainerState(json: Data(text.utf8), path: "run/trainer_state.json")
  }

  @Test("the state that the other tests spoil is a good one")
  func accepts() throws {
    let state = try read(Self.valid)
    #expect(state.cursor == .init(epoch: 3, step: 5))
    #expect(state.trajectory.microBatches == 4)
  }

  @Test(
    "a value that no run can have is refused by its key",
    arguments: [
      (#""global_step": 7"#, "-1", "global_step"),
      (#""global_step": 7"#, "4294967296", "global_step"),
      (#""epoch": 0.5"#, "-1", "epoch"),
      (#""epoch": 0.5"#, "1e300", "epoch"),
      (#""max_steps": 22"#, "-9223372036854775808", "max_steps"),
      (#""num_train_epochs": 2"#, "0", "num_train_epochs"),
      (#""num_train_epochs": 2"#, "9223372036854775807", "num_train_epochs"),
      (#""train_batch_size": 6"#, "0", "train_batch_size"),
      (#""best_global_step": 4"#, "-4", "best_global_step"),
      (#""epoch": 3"#, "-1", "cursor.epoch"),
      (#""step": 5"#, "-1", "cursor.step"),
      (#""step": 5"#, "9223372036854775807", "cursor.step"),
      (#""evaluations_without_improvement": 1"#, "-1", "evaluations_without_improvement"),
      (#""loss_steps": 3"#, "-3", "loss_steps"),
      (#""metrics_bytes": 900"#, "-1", "metrics_bytes"),
      (#""requested_max_steps": 21"#, "0", "requested_max_steps"),
      (#""batch_size": 8"#, "0", "trajectory.batch_size"),
      (#""batch_size": 8"#, "9223372036854775807", "trajectory.batch_size"),
      (#""micro_batches": 4"#, "3", "trajectory.micro_batches"),
      (#""micro_batches": 4"#, "0", "trajectory.micro_batches"),
      (#""micro_batches": 4"#, "-4", "trajectory.micro_batches"),
      (#""micro_batches": 4"#, "1073741824", "trajectory.micro_batches"),
      (#""requested_micro_batches": 2"#, "6", "trajectory.requested_micro_batches"),
      (#""learning_rate": 2e-5"#, "-1", "trajectory.learning_rate"),
      (#""weight_decay": 0.01"#, "1e9", "trajectory.weight_decay"),
      (#""warmup_ratio": 0.125"#, "1e18", "trajectory.warmup_ratio"),
      (#""max_grad_norm": 1"#, "-1", "trajectory.max_grad_norm"),
      (#""dropout": 0.25"#, "1", "trajectory.dropout"),
    ])
  func refuses(field: String, value: String, key: String) throws {
    let colon = try #require(field.firstIndex(of: ":"))
    let spoiled = Self.valid.replacing(field, with: field[...colon] + " " + value)
    try #require(spoiled != Self.valid)
    let error = #expect(throws: TrainingError.self) { try read(spoiled) }
    #expect(error?.place == "run/trainer_state.json: " + key)
    #expect(error?.kind == .data)
  }

  @Test(
    "what is malformed is refused in one line that says where",
    arguments: [
      (#""global_step": 7"#, #""global_step": 7, "global_step": 8"#, "`global_step` again"),
      (#""micro_batches": 4"#, #""micro_batches": 4, "micro_batches": 8"#, "`micro_batches` again"),
      (#""cursor": {"#, #""cursors": {"#, "no `cursor`"),
      (#""seed": 42"#, #""seed": -42"#, "a number with a fraction, a sign"),
      (#""seed": 42"#, #""seed": "x""#, "`trajectory.seed` that is no UInt64"),
      (#""schedule": "linear""#, #""schedule": "a\u001b\n""#, "`trajectory.schedule`"),
      (#""threads": 1"#, #""threads": 1.5"#, "a number with a fraction, a sign"),
      (#""core_type": "Zen""#, #""x": "# + String(repeating: "[", count: 100_000), "32 levels"),
    ])
  func malformed(from: String, to: String, found: String) throws {
    let spoiled = Self.valid.replacing(from, with: to)
    try #require(spoiled != Self.valid)
    let error = try #require(#expect(throws: TrainingError.self) { try read(spoiled) })
    #expect(error.place == "run/trainer_state.json")
    #expect(error.found.contains(found), "\(error)")
    #expect(!"\(error)".utf8.contains { $0 < 0x20 }, "\(error)")
  }

  @Test("a cursor behind the last step of an epoch is refused")
  func cursor() throws {
    let state = try read(Self.valid)
    // Batches of 8: steps 0 to 5 of 41 to 48 rows.
    try state.requireCursor(inEpochOf: 41, path: "s")
    let error = #expect(throws: TrainingError.self) {
      try state.requireCursor(inEpochOf: 40, path: "s")
    }
    #expect(error?.description.hasPrefix("s: cursor.step: expected a step below 5") == true)
  }
}
