import Collectives
import Encoders
import Foundation
import Shards

@testable import Training

private let state = """
  {"global_step": 7, "epoch": 0.6, "max_steps": 22, "num_train_epochs": 2, "train_batch_size": 6,
   "best_metric": 0.5, "best_global_step": 4, "best_model_checkpoint": "checkpoint-4",
   "best_metric_name": "f1", "cursor": {"epoch": 0, "step": 7},
   "evaluations_without_improvement": 1, "loss_sum": 1.25, "loss_steps": 3, "metrics_bytes": 900,
   "requested_max_steps": 22, "is_finished": false, "is_evaluation_pending": true, "world_size": 2,
   "threads": 1,
   "core_type": "Zen", "trajectory": {"seed": 42, "batch_size": 6, "micro_batches": 4,
   "requested_micro_batches": 4, "learning_rate": 2e-5, "weight_decay": 0.01, "warmup_ratio": 0.1,
   "schedule": "linear", "max_grad_norm": 1, "dropout": 0.1, "all_reduce": "tree",
   "train_sha256": "aa", "vocabulary_sha256": "bb"}}
  """

private let configuration = """
  {"model_type": "bert", "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2,
   "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 32,
   "classifier_dropout": null, "layer_norm_eps": 1e-12, "id2label": {"0": "joy", "1": "fear"},
   "problem_type": "multi_label_classification", "more": {"kept": [1, null, true, 2.5]}}
  """

private let configurationWords =
  jsonWords + [
    "\"model_type\":\"bert\"", "\"vocab_size\":", "\"hidden_size\":", "\"num_hidden_layers\":",
    "\"num_attention_heads\":", "\"intermediate_size\":", "\"max_position_embeddings\":",
    "\"type_vocab_size\":", "\"id2label\":", "\"num_labels\":", "\"layer_norm_eps\":", "65536",
    "16777216", "1024", "1000000000000",
  ]

private let stateWords =
  jsonWords + [
    "\"global_step\":", "\"cursor\":", "\"epoch\":", "\"step\":", "\"trajectory\":",
    "\"micro_batches\":", "\"batch_size\":", "\"seed\":", "\"metrics_bytes\":", "\"max_steps\":",
    "\"warmup_ratio\":", "\"schedule\":\"cosine\"", "\"polynomial\"", "1e308",
    "-9223372036854775808",
  ]

let modelTargets = [
  FuzzTarget(
    "config",
    seeds: [Array(configuration.utf8), fixture("golden/bert-multi-label/config.json")],
    words: configurationWords
  ) { bytes in
    let model = try ModelConfiguration(json: Data(bytes), path: "config.json")
    let summary = ModelSummary(model)
    require(summary.parameters > 0 && summary.trainingBytes > 0, "sizes that do not overflow")
    require(model.headWidth * model.headCount == model.hiddenSize, "heads that divide the width")
    let written = try model.json()
    let again = try ModelConfiguration(json: written, path: "again")
    require(try again.json() == written, "reads as written")
  },
  FuzzTarget("trainer-state", seeds: [Array(state.utf8)], words: stateWords) { bytes in
    let state = try TrainerState(json: Data(bytes), path: "trainer_state.json")
    let written = try state.json()
    require(
      try TrainerState(json: written, path: "again").json() == written, "reads as written")
    resume(state)
  },
]

/// What a resumed run computes from its state before it touches a row.
private func resume(_ state: TrainerState) {
  var trajectory = state.trajectory
  _ = ReductionTree(parts: trajectory.microBatches, ranks: 1)
  _ = trajectory.raiseMicroBatches(toRanks: 3)
  _ = ReductionTree(parts: trajectory.microBatches, ranks: 3)
  let rows = Int(UInt32.max)
  let stepsPerEpoch = (rows + trajectory.batchSize - 1) / trajectory.batchSize
  let total = state.requestedMaxSteps ?? state.numTrainEpochs * stepsPerEpoch
  let schedule = LearningRateSchedule(
    shape: trajectory.schedule, peak: trajectory.learningRate,
    warmupRatio: trajectory.warmupRatio, totalSteps: total)
  let rate = schedule.rate(atStep: state.globalStep + 1)
  require(rate >= 0 && rate <= 1e3, "a learning rate, not \(rate)")
  let start = state.cursor.step * trajectory.batchSize
  require(start >= 0 && UInt64(exactly: state.metricsBytes) != nil, "counts from 0")
  _ = EpochOrder(seed: trajectory.seed, epoch: state.cursor.epoch, rows: 3)
}
