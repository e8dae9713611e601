import Collectives
import Encoders
import Shards

// An evaluation that several ranks share.
extension Evaluator {
  /// The metrics over all rows of a shard folder, to the bit what one rank alone computes; a
  /// collective call, which fails on all ranks or on none.
  ///
  /// Each of the first `ranks` ranks computes the logits of whole batches, which are the same batches
  /// whatever the number of ranks; rank 0 gets them all and computes the metrics.
  ///
  /// - Parameters:
  ///   - tuned: Whether scores of multi-label have a threshold for each label too.
  ///   - masking: In pre-training, what hides words.
  ///   - progress: Called after every batch; an `Interrupted` that it throws ends the evaluation on all
  ///     ranks. It ought to be thrown on all of them soon: the others wait.
  /// - Returns: On rank 0, unless a rank was interrupted; else nil.
  /// - Throws: The error of the lowest rank that has one.
  package func evaluate(
    _ data: ShardFolder, ranks: Int, threshold: Double = 0.5, tuned: TunedThresholds = .none,
    masking: WordMasking? = nil, over communicator: Communicator, progress: (Int) throws -> Void
  ) throws -> (any TaskMetrics)? {
    let rank = communicator.rank
    let rows = rank < ranks ? Self.share(of: rank, among: ranks, rows: data.rows) : 0..<0
    let mine = try communicator.agree { () -> [Float]? in
      do {
        return try outputs(of: data, rows: rows, masking: masking, progress: progress)
      } catch is Interrupted {
        return nil
      }
    }
    let parts =
      ranks > 1 ? try communicator.gatherAll(mine.map(encode) ?? []).map(decode) : [mine]
    guard rank == 0, !parts.contains(where: { $0 == nil }) else { return nil }
    return try metrics(
      of: data, outputs: parts.flatMap { $0 ?? [] }, threshold: threshold, tuned: tuned)
  }
}

/// A byte, then the floats as the processor has them. Never empty: that is an interrupted rank's.
private func encode(_ outputs: [Float]) -> [UInt8] {
  [0] + outputs.withUnsafeBytes { Array($0) }
}

private func decode(_ bytes: [UInt8]) -> [Float]? {
  guard !bytes.isEmpty else { return nil }
  return bytes.withUnsafeBytes { bytes in
    stride(from: 1, to: bytes.count, by: 4).map {
      bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
    }
  }
}
