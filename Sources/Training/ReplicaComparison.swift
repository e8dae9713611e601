import Collectives
import Encoders
import Kernels

/// Compares the parameters of all ranks bit by bit, by their digests; a collective call.
///
/// Every rank took the same numbers over from their owners, so a difference is a broken memory or
/// network. An owner whose arithmetic is broken gives the same wrong numbers to all: that is not seen
/// here.
///
/// - Parameter step: the steps done.
/// - Throws: `TrainingError`, on all ranks, naming the ranks that differ from most others and the first
///   tensor that does.
package func requireEqualReplicas(
  _ layout: ParameterLayout, _ parameters: Arena, step: Int, _ pool: ThreadPool,
  _ communicator: Communicator
) throws {
  guard communicator.size > 1 else { return }
  let whole = [Digest.of(parameters.base, count: layout.count, pool)]
  let digests = try communicator.gatherAll(whole).map { $0[0] }
  guard let drifted = ranksOutsideMajority(digests) else { return }
  // Only now, tensor by tensor.
  let byTensor = try communicator.gatherAll(
    layout.parameters.map { Digest.of(parameters.base + $0.offset, count: $0.count, pool) })
  let first = layout.parameters.indices.first { index in
    byTensor.contains { $0[index] != byTensor[0][index] }
  }
  let names = try communicator.gatherAll(Array(communicator.host.utf8)).enumerated()
    .filter { drifted.contains($0.offset) }
    .map { "rank \($0.offset) on \(String(decoding: $0.element, as: UTF8.self))" }
  let tensor = first.map { layout.parameters[$0].name } ?? "none by itself"
  let isTie = drifted.count == communicator.size
  throw TrainingError(
    .machine, "\(names.joined(separator: ", ")): parameters after step \(step)",
    expected: isTie ? "the same on all ranks" : "those of the other ranks",
    found: "others, first in \(tensor)",
    remedy: isTie
      ? "one of these nodes is broken, or their libraries differ; run on others from the last checkpoint"
      : "take the node out and run the same command again: it goes on from the last checkpoint")
}

/// The ranks whose digest is not that of most ranks: all of them where no digest is; nil where all
/// are equal.
func ranksOutsideMajority(_ digests: [UInt64]) -> [Int]? {
  guard digests.contains(where: { $0 != digests[0] }) else { return nil }
  let majority = digests.first { digest in
    2 * digests.count { $0 == digest } > digests.count
  }
  return digests.indices.filter { digests[$0] != majority }
}
