import Kernels

/// What a forward pass leaves behind for the backward pass, and the scratch of both.
///
/// One arena holds everything; it grows when a batch needs more than any before it, and a step
/// within the capacity allocates nothing.
package final class Activations {
  package let isTraining: Bool
  let encoder: any EncoderState
  let head: any HeadState
  private var capacity = Capacity()
  private var arena = Arena(count: 0)

  /// - Parameters:
  ///   - isTraining: Whether a backward pass will follow; without one, memory is that of one layer.
  ///   - threads: Of the pool that the passes will run on.
  package init(_ model: EncoderModel, isTraining: Bool, threads: Int) {
    self.isTraining = isTraining
    encoder = model.encoder.makeState(isTraining: isTraining, threads: threads)
    head = model.head.makeState()
    take(from: arena)
  }

  /// The last layer's output [T, H] of the batch that went forward last.
  package var lastHiddenState: Floats { encoder.hiddenStates }

  /// Floats that a batch of `sequences` sequences of `length` tokens takes.
  package static func floatCount(
    _ model: EncoderModel, sequences: Int, length: Int, isTraining: Bool, threads: Int
  ) -> Int {
    Activations(model, isTraining: isTraining, threads: threads).measure(
      Capacity(
        tokens: sequences * length, sequences: sequences, longest: length,
        squares: sequences * length * length))
  }

  /// The most floats that the buffers hold once batches went through them of at most so many tokens,
  /// sequences, tokens in a sequence, and hidden words.
  package static func mostFloats(
    _ model: EncoderModel, tokens: Int, sequences: Int, longest: Int, masked: Int, isTraining: Bool,
    threads: Int
  ) -> Int {
    let largest = Capacity(
      tokens: tokens, sequences: sequences, longest: longest, squares: tokens * longest,
      masked: masked)
    return Activations(model, isTraining: isTraining, threads: threads).measure(
      Capacity().grown(toHold: largest))
  }

  /// Makes room for a batch.
  func reserve(_ batch: PackedBatch) {
    let needed = batch.capacity
    guard !capacity.holds(needed) else { return }
    capacity = capacity.grown(toHold: needed)
    arena = Arena(count: measure(capacity))
    take(from: arena)
  }

  private func take(from arena: Arena) {
    var cursor = ArenaCursor(base: arena.base)
    encoder.take(&cursor, capacity)
    head.take(&cursor, capacity)
  }

  /// Floats that the buffers take; they must be taken anew after it.
  private func measure(_ capacity: Capacity) -> Int {
    var cursor = ArenaCursor(base: nil)
    encoder.take(&cursor, capacity)
    head.take(&cursor, capacity)
    return cursor.used
  }
}
