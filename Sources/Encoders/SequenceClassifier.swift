import Kernels

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

/// BERT with a pooler and a linear head over packed batches (Devlin et al. 2018; Hugging Face's
/// `BertForSequenceClassification`). It holds no weights: they lie in the caller's arenas, in the
/// order of `layout`.
///
/// T tokens, S sequences, H hidden, L labels.
package final class SequenceClassifier {
  package let configuration: ModelConfiguration
  package let layout: ParameterLayout
  let offsets: BertParameters

  package init(_ configuration: ModelConfiguration) {
    self.configuration = configuration
    offsets = BertParameters(configuration)
    layout = offsets.layout
  }

  /// Computes `activations.logits` [S, L].
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` floats.
  ///   - dropout: nil for inference: no dropout at all.
  ///   - progress: Called after every layer.
  /// - Precondition: The batch passed `PackedBatch.check(against:)`.
  package func forward(
    _ batch: PackedBatch, _ parameters: Floats, _ activations: Activations,
    dropout: DropoutStep?, _ pool: ThreadPool, progress: () -> Void = {}
  ) {
    activations.reserve(batch)
    guard batch.sequenceCount > 0 else { return }
    let pass = EncoderPass(batch, activations, configuration, dropout, pool)
    let coordinates = batch.coordinates
    forwardEmbeddings(pass, coordinates, parameters)
    var input = Floats(pass.buffers.embedded)
    for (index, layer) in offsets.layers.enumerated() {
      let buffers = pass.buffers.layers[index]
      pass.forward(layer, index, buffers, input, coordinates, parameters)
      input = Floats(buffers.output)
      progress()
    }
    forwardHead(pass, coordinates, input, parameters)
  }

  /// Computes every gradient from `activations.logitsGradient` [S, L]: the sum over the batch's parts in
  /// their tree.
  ///
  /// - Parameters:
  ///   - gradients: Of all parameters but the word table: `layout.dense.count` floats, all overwritten;
  ///     zeros for an empty batch.
  ///   - progress: Called after every layer, with the index from which to the end of `gradients` all
  ///     are complete.
  /// - Returns: [T, H] The gradient of each token's word embedding, for `Embedding.sumRows`, in the
  ///   activations' scratch: good until the next pass.
  /// - Precondition: `forward` ran last on the same batch, parameters and training activations.
  package func backward(
    _ batch: PackedBatch, _ parameters: Floats, _ gradients: MutableFloats,
    _ activations: Activations, dropout: DropoutStep?, _ pool: ThreadPool,
    progress: (_ completeFrom: Int) -> Void = { _ in }
  ) -> Floats {
    precondition(activations.isTraining, "inference keeps no activations to go back through")
    guard batch.sequenceCount > 0 else {
      Reduction.zero(gradients, count: layout.dense.count, pool)
      return Floats(activations.buffers.scratchA)
    }
    let gradients = DenseGradients(gradients, layout)
    let pass = EncoderPass(batch, activations, configuration, dropout, pool)
    let coordinates = batch.coordinates
    backwardHead(pass, coordinates, parameters, gradients)
    progress(offsets.poolerWeight - layout.dense.lowerBound)
    for (index, layer) in offsets.layers.enumerated().reversed() {
      let input = index == 0 ? pass.buffers.embedded : pass.buffers.layers[index - 1].output
      pass.backward(
        layer, index, pass.buffers.layers[index], Floats(input), coordinates, parameters, gradients)
      // Its first tensor in the layout.
      progress(layer.attentionWeight - layout.dense.lowerBound)
    }
    return backwardEmbeddings(pass, coordinates, parameters, gradients)
  }
}

// Embeddings: dropout(LayerNorm(word + position + type)).
extension SequenceClassifier {
  private func forwardEmbeddings(
    _ pass: EncoderPass, _ at: BatchCoordinates, _ p: Floats
  ) {
    let buffers = pass.buffers
    let (rows, width) = (pass.tokens, pass.hidden)
    Embedding.forward(
      buffers.scratchA, word: p + offsets.wordEmbeddings, position: p + offsets.positionEmbeddings,
      type: offsets.typeEmbeddings.map { p + $0 }, ids: at.inputIDs,
      positions: at.tokens.positions, typeIDs: at.typeIDs, rows: rows, width: width, pass.pool)
    LayerNorm.forward(
      buffers.embedded, buffers.embeddingNormalized, buffers.embeddingInverseDeviation,
      buffers.scratchA, p + offsets.embeddingNormWeight, p + offsets.embeddingNormBias,
      epsilon: configuration.layerNormEpsilon, rows: rows, width: width, pass.pool)
    Dropout.apply(
      buffers.embedded, buffers.embedded, pass.embeddingDropout, at.tokens, rows: rows,
      width: width, pass.pool)
  }

  /// Takes the gradient of the first layer's input from scratch A, and leaves that of the embeddings'
  /// sum there.
  private func backwardEmbeddings(
    _ pass: EncoderPass, _ at: BatchCoordinates, _ p: Floats, _ g: DenseGradients
  ) -> Floats {
    let buffers = pass.buffers
    let (rows, width) = (pass.tokens, pass.hidden)
    let gradient = buffers.scratchA
    Dropout.apply(
      gradient, gradient, pass.embeddingDropout, at.tokens, rows: rows, width: width, pass.pool)
    LayerNorm.backward(
      gradient, g + offsets.embeddingNormWeight, g + offsets.embeddingNormBias, gradient,
      buffers.embeddingNormalized, buffers.embeddingInverseDeviation,
      p + offsets.embeddingNormWeight, rows: pass.tokenParts, width: width, pass.pool)
    pass.positionTokens.sort(count: rows) { Int(at.tokens.positions[$0]) }
    Embedding.sumRows(
      g + offsets.positionEmbeddings, Floats(gradient), pass.positionTokens, parts: pass.tokenParts,
      width: width, pass.pool)
    if let typeTable = offsets.typeEmbeddings {
      pass.typeTokens.sort(count: rows) { Int(at.typeIDs?[$0] ?? 0) }
      Embedding.sumRows(
        g + typeTable, Floats(gradient), pass.typeTokens, parts: pass.tokenParts, width: width,
        pass.pool)
    }
    return Floats(gradient)
  }
}

// Head: classifier(dropout(tanh(pooler(first token)))).
extension SequenceClassifier {
  private func forwardHead(
    _ pass: EncoderPass, _ at: BatchCoordinates, _ hiddenStates: Floats, _ p: Floats
  ) {
    let buffers = pass.buffers
    let (rows, width) = (pass.sequences, pass.hidden)
    Gather.forward(
      buffers.firstTokens, hiddenStates, index: at.firstTokens, rows: rows, width: width)
    Linear.forward(
      buffers.pooled, buffers.firstTokens, p + offsets.poolerWeight, p + offsets.poolerBias,
      rows: rows, inputs: width, outputs: width, pass.pool)
    Tanh.forward(buffers.pooled, buffers.pooled, count: rows * width)
    Dropout.applyRows(
      buffers.droppedPooled, buffers.pooled, pass.headDropout, sequenceRows: at.sequenceRows,
      rows: rows, width: width)
    Linear.forward(
      buffers.logits, buffers.droppedPooled, p + offsets.classifierWeight,
      p + offsets.classifierBias, rows: rows, inputs: width,
      outputs: configuration.labelNames.count, pass.pool)
  }

  /// Leaves the gradient of the last hidden states in scratch A.
  private func backwardHead(
    _ pass: EncoderPass, _ at: BatchCoordinates, _ p: Floats, _ g: DenseGradients
  ) {
    let buffers = pass.buffers
    let (rows, width) = (pass.sequences, pass.hidden)
    let gradient = buffers.pooledGradient
    Linear.backward(
      gradient, g + offsets.classifierWeight, g + offsets.classifierBias,
      buffers.logitsGradient, buffers.droppedPooled, p + offsets.classifierWeight,
      rows: pass.sequenceParts,
      inputs: width, outputs: configuration.labelNames.count, pass.pool)
    Dropout.applyRows(
      gradient, gradient, pass.headDropout, sequenceRows: at.sequenceRows, rows: rows,
      width: width)
    Tanh.backward(gradient, gradient, buffers.pooled, count: rows * width)
    // The dropped vectors are read for the last time above: they take the pooler's input gradient.
    Linear.backward(
      buffers.droppedPooled, g + offsets.poolerWeight, g + offsets.poolerBias, gradient,
      buffers.firstTokens, p + offsets.poolerWeight, rows: pass.sequenceParts, inputs: width,
      outputs: width, pass.pool)
    Reduction.zero(buffers.scratchA, count: pass.tokens * width, pass.pool)
    Gather.backward(
      buffers.scratchA, buffers.droppedPooled, index: at.firstTokens, rows: rows, width: width)
  }
}
