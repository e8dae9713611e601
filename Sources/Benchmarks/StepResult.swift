/// What `lockstep bench step` tells; milliseconds, and bytes in powers of ten.
package struct StepResult: Encodable, Sendable {
  /// Means over ranks and steps; what is missing to a step's time is outside of all phases.
  package struct Phases: Encodable, Sendable {
    package let data: Double
    package let forward: Double
    package let backward: Double
    package let exchange: Double
    package let optimizer: Double
  }

  package let benchmark = "step"
  package let model: String
  package let parameters: Int
  /// Path of the shards, or `synthetic`.
  package let data: String
  package let ranks: Int
  /// Of a rank.
  package let threads: Int
  package let batchSize: Int
  package let microBatches: Int
  package let seed: UInt64
  package let steps: Int
  package let warmup: Int
  /// The median of rank 0's steps.
  package let millisecondsPerStep: Double
  package let meanMilliseconds: Double
  package let bestMilliseconds: Double
  package let tenthPercentile: Double
  package let ninetiethPercentile: Double
  /// Real tokens of all timed steps by the time of all.
  package let tokensPerSecond: Double
  package let tokensPerStep: Double
  /// Mean number of parameters whose gradient is not zero for want of the word: `StepFloor`.
  package let touchedParameters: Double
  /// Useful floating-point operations, 10^9 a step and a second.
  package let gigaOperationsPerStep: Double
  package let gflops: Double
  package let phases: Phases
  /// Of all ranks together: the mean of those just before and just after the steps.
  package let ceilings: MachineCeilings
  package let ceilingsBefore: MachineCeilings
  package let ceilingsAfter: MachineCeilings
  package let floorMilliseconds: Double
  /// floor / median step.
  package let fraction: Double
  /// The floor at the best ceilings, and that / fastest step: what is left of it on a busy machine.
  package let bestFloorMilliseconds: Double
  package let bestFraction: Double
  /// Most resident memory of the rank that had most, and of every rank.
  package let peakMegabytes: Double
  package let peakMegabytesByRank: [Double]
  /// Mean over ranks of what one sends in a step for its gradients; 0 for MPI's own all-reduce.
  package let bytesSent: Double
  /// What it would send in a bandwidth-optimal all-reduce of all gradients: 2 (R-1)/R of their bytes.
  package let denseBytes: Double
  package let firstLoss: Double
  package let lastLoss: Double
  /// Of the parameters after the two steps that were taken twice.
  package let digest: String
  package let coreType: String

  enum CodingKeys: String, CodingKey {
    case benchmark, model, parameters, data, ranks, threads, seed, steps, warmup, gflops
    case ceilings, digest
    case batchSize = "batch_size"
    case microBatches = "micro_batches"
    case millisecondsPerStep = "ms_per_step"
    case meanMilliseconds = "ms_per_step_mean"
    case bestMilliseconds = "ms_per_step_min"
    case tenthPercentile = "ms_per_step_p10"
    case ninetiethPercentile = "ms_per_step_p90"
    case tokensPerSecond = "tokens_per_second"
    case tokensPerStep = "tokens_per_step"
    case touchedParameters = "touched_parameters"
    case gigaOperationsPerStep = "gflop_per_step"
    case phases = "phases_ms"
    case ceilingsBefore = "ceilings_before"
    case ceilingsAfter = "ceilings_after"
    case floorMilliseconds = "floor_ms"
    case fraction = "fraction_of_floor"
    case bestFloorMilliseconds = "floor_ms_best"
    case bestFraction = "fraction_of_floor_best"
    case peakMegabytes = "peak_rss_mb"
    case peakMegabytesByRank = "peak_rss_mb_by_rank"
    case bytesSent = "bytes_sent_per_step"
    case denseBytes = "bytes_sent_dense"
    case firstLoss = "loss_first"
    case lastLoss = "loss_last"
    case coreType = "core_type"
  }
}
