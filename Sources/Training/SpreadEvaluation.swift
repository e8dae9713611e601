import Collectives
import Shards

// An evaluation that several ranks share.
extension Evaluator {
  /// The metrics over all rows of a shard folder, to the bit what one rank alone computes; a
  /// collective call, which fails on all ranks or on none.
  ///
  /// Each of the first `ranks` ranks computes the logits of whole batches, which are the same batches
  /// whatever the number of ranks; rank 0 gets them all and computes the metrics.
  ///
  /// - Parameter progress: Called after every batch; an `Interrupted` that it throws ends the
  ///   evaluation on all ranks. It ought to be thrown on all of them soon: the others wait.
  /// - Returns: On rank 0, unless a rank was interrupted; else nil.
  /// - Throws: The error of the lowest rank that has one.
  package func evaluate(
    _ data: ShardFolder, ranks: Int, threshold: Double = 0.5, over communicator: Communicator,
    progress: (Int) throws -> Void
  ) throws -> MultiLabelMetrics? {
    let rank = communicator.rank
    let rows = rank < ranks ? Self.share(of: rank, among: ranks, rows: data.rows) : 0..<0
    let mine = try communicator.agree { () -> Outputs? in
      do { return try outputs(of: data, rows: rows, progress: progress) } catch is Interrupted {
        return nil
      }
    }
    let parts =
      ranks > 1
      ? try communicator.gatherAll(mine?.encoded ?? []).map { Outputs(encoded: $0) } : [mine]
    guard rank == 0, !parts.contains(where: { $0 == nil }) else { return nil }
    return MultiLabelMetrics(
      logits: parts.flatMap { $0?.logits ?? [] }, labels: parts.flatMap { $0?.labels ?? [] },
      labelCount: data.labelNames.count, threshold: threshold)
  }
}

extension Evaluator.Outputs {
  /// A byte, then the logits and the labels as the processor has them. Never empty: that is an
  /// interrupted rank's.
  fileprivate var encoded: [UInt8] {
    [0] + [logits, labels].flatMap { values in values.withUnsafeBytes { Array($0) } }
  }

  fileprivate init?(encoded bytes: [UInt8]) {
    guard !bytes.isEmpty else { return nil }
    let values = bytes.withUnsafeBytes { bytes in
      stride(from: 1, to: bytes.count, by: 4).map {
        bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
      }
    }
    logits = Array(values[..<(values.count / 2)])
    labels = Array(values[(values.count / 2)...])
  }
}
