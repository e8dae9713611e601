import Kernels

/// The part of a model between token ids and hidden states: where its tensors lie. One type serves
/// all architectures that are built alike.
protocol TextEncoder: Sendable {
  /// Something that runs the encoder.
  ///
  /// - Parameters:
  ///   - isTraining: Whether a backward pass will follow; without one, memory is that of one layer.
  ///   - threads: Of the pool that the passes will run on.
  func makeState(isTraining: Bool, threads: Int) -> any EncoderState
}

/// An encoder at work: its buffers, and what a forward pass leaves for the backward pass.
///
/// T tokens, S sequences, H hidden.
protocol EncoderState: AnyObject {
  /// Takes all buffers anew.
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity)
  /// Computes the hidden states.
  ///
  /// - Parameter progress: Called after every layer.
  func forward(_ pass: Pass, _ p: Floats, progress: () -> Void)
  /// [T, H] The last hidden states, since `forward`.
  var hiddenStates: Floats { get }
  /// What a head on one vector a sequence reads, since `forward`.
  func sequenceStates(_ pass: Pass) -> SequenceStates
  /// [T, H] Where a head leaves the gradient at the states that it read.
  var outputGradient: MutableFloats { get }
  /// Overwrites the encoder's gradients from `outputGradient`.
  ///
  /// - Parameter progress: Called after every layer, with the offset from which to the end of the layout
  ///   all gradients are complete.
  /// - Returns: [T, H] The gradient of each token's word embedding, in scratch: good until the next pass.
  func backward(
    _ pass: Pass, _ p: Floats, _ g: DenseGradients, progress: (_ completeFrom: Int) -> Void
  ) -> Floats
}

/// States with one vector a token of something, of which a sequence's head reads the first.
struct SequenceStates {
  /// [R, H]
  let states: Floats
  /// R
  let rows: Int
  /// [S+1]
  let cumulativeLengths: UnsafeBufferPointer<Int32>
  /// [S] Each sequence's first row.
  let firstRows: UnsafePointer<Int32>
}

/// The part of a model between hidden states and loss: where its tensors lie.
protocol Head: Sendable {
  func makeState() -> any HeadState
}

/// A head at work.
protocol HeadState: AnyObject {
  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity)
  /// Computes the logits.
  func forward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats)
  /// The logits by name, row-major, since `forward`.
  func logits(_ pass: Pass) -> [Logits]
  /// The loss of each of the batch's parts; leaves the gradient at the logits.
  ///
  /// - Parameter counts: What sums are divided by.
  func loss(_ pass: Pass, _ targets: Targets, _ counts: LossCounts) -> [Double]
  /// Overwrites the head's gradients, and leaves that at the hidden states in the encoder's
  /// `outputGradient`.
  func backward(_ pass: Pass, _ encoder: any EncoderState, _ p: Floats, _ g: DenseGradients)
}

/// What a head says, by the name that Hugging Face gives it.
package struct Logits {
  /// `logits`, or `start_logits` and so on.
  package let name: String
  package let values: Floats
  package let rows: Int
  package let columns: Int
}

/// One batch's way through a model: sizes, coordinates and dropout keys in one place, so that forward
/// and backward cannot differ in them.
///
/// T tokens, S sequences.
struct Pass {
  /// The rows of the encoder's layers.
  let tokens: TokenRows
  /// S
  let sequences: Int
  /// The micro-batches by sequences.
  let sequenceParts: Parts
  /// The words to predict, by tokens.
  let masked: MaskedTokens?
  let at: BatchCoordinates
  let configuration: ModelConfiguration
  let pool: ThreadPool
  let dropout: DropoutStep?

  init(
    _ batch: PackedBatch, _ configuration: ModelConfiguration, _ dropout: DropoutStep?,
    _ pool: ThreadPool
  ) {
    at = batch.coordinates
    tokens = TokenRows(
      parts: batch.tokenParts, at: at.tokens, cumulativeLengths: at.cumulativeLengths,
      sequenceRows: at.sequenceRows, keyCounts: at.keyCounts)
    sequences = batch.sequenceCount
    sequenceParts = batch.sequenceParts
    masked = at.masked
    self.configuration = configuration
    self.dropout = dropout
    self.pool = pool
  }

  /// The key of a dropout layer. Sites: 0 embeddings; 3i+1 attention probabilities, 3i+2 attention output
  /// and 3i+3 feed-forward output of layer i; after the last layer's, the head's. From 65,536 on, the
  /// relative positions of each layer.
  func key(_ site: Int, _ probability: Float) -> DropoutKey {
    DropoutKey(
      seed: dropout?.seed ?? 0, step: dropout?.step ?? 0, site: UInt32(site),
      probability: dropout == nil ? 0 : probability)
  }

  /// Of what a layer's attention knows of relative positions: one mask for all rows of a step.
  func positionKey(layer: Int, _ probability: Float) -> DropoutKey {
    key((1 << 16) + layer, probability)
  }

  /// Of a head's dropout layers, from 0.
  func headKey(_ number: Int, _ probability: Float) -> DropoutKey {
    key(3 * configuration.layerCount + 1 + number, probability)
  }

  /// A table's gradient, overwritten: for each of its rows the sum over the tokens that have it.
  ///
  /// - Parameters:
  ///   - gradient: [T, H]
  ///   - sorted: Of the table's rows; sorted anew.
  ///   - row: The row that a token has.
  func sumRows(
    _ table: MutableFloats, _ gradient: MutableFloats, _ sorted: RowTokens,
    row: (_ token: Int) -> Int
  ) {
    sorted.sort(count: tokens.count, row)
    Embedding.sumRows(
      table, Floats(gradient), sorted, parts: tokens.parts, width: configuration.hiddenSize, pool)
  }
}

/// The rows that a stack of layers computes on: tokens, or what an architecture makes of them.
///
/// T rows, S sequences.
struct TokenRows {
  /// The micro-batches by rows.
  let parts: Parts
  let at: TokenCoordinates
  /// [S+1]
  let cumulativeLengths: UnsafeBufferPointer<Int32>
  /// [S]
  let sequenceRows: UnsafePointer<UInt32>
  /// [S] How many of a sequence's rows are looked at, the first ones; nil for all.
  let keyCounts: UnsafePointer<Int32>?

  /// T
  var count: Int { parts.rows }
}

/// Which step's dropout a forward pass applies, and its backward pass repeats.
package struct DropoutStep: Sendable {
  let seed: UInt64
  let step: UInt64

  /// - Parameter step: Global step, from 1.
  package init(seed: UInt64, step: Int) {
    self.seed = seed
    self.step = UInt64(step)
  }
}
