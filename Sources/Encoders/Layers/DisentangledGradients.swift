import Kernels

/// What the backward pass of disentangled attention keeps beside the layers' buffers.
///
/// T tokens, H hidden, U rows of positions, summed over the parts.
struct PositionBuffers {
  /// [T + U, 3H] The gradients of queries, keys and values, a part's positions behind its tokens; only
  /// where they share their weights.
  private(set) var extended = ArenaCursor.nowhere
  /// [T + U, H] or [U, H] The states that are projected, and the gradients at them.
  private(set) var states = ArenaCursor.nowhere
  private(set) var dstates = ArenaCursor.nowhere
  /// At the layers' keys and queries of positions; [U, H] each where their weights are their own.
  private(set) var keys = PositionGradients(values: ArenaCursor.nowhere, stride: 0)
  private(set) var queries = PositionGradients(values: ArenaCursor.nowhere, stride: 0)
  /// [U, H] Sums over the layers that have gone backward, at the table's rows.
  private(set) var sums = ArenaCursor.nowhere
  /// [U]
  private(set) var inverseDeviation = ArenaCursor.nowhere

  mutating func take(
    _ cursor: inout ArenaCursor, tokens: Int, width: Int, _ settings: DisentangledSettings
  ) {
    let most = PositionRows.mostRows(tokens: tokens)
    let rows = most + (settings.sharesKeys ? tokens : 0)
    states = cursor.take(rows * width)
    dstates = cursor.take(rows * width)
    sums = cursor.take(most * width)
    inverseDeviation = cursor.take(most)
    if settings.sharesKeys {
      extended = cursor.take(3 * rows * width)
      queries = PositionGradients(values: extended, stride: 3 * width)
      keys = PositionGradients(values: extended + width, stride: 3 * width)
    } else {
      queries = PositionGradients(values: cursor.take(most * width), stride: width)
      keys = PositionGradients(values: cursor.take(most * width), stride: width)
    }
  }

  /// Begins the sums of a batch.
  func clear(_ positions: PositionRows, width: Int) {
    sums.update(repeating: 0, count: positions.vectors.rows * width)
    guard positions.extended.rows > 0, extended != ArenaCursor.nowhere else { return }
    // Positions have no values, and perhaps no queries or keys.
    for (part, rows) in positions.partRows.enumerated() {
      let first = positions.extended[part].upperBound - rows.count
      (extended + 3 * first * width).update(repeating: 0, count: 3 * rows.count * width)
    }
  }
}

extension DisentangledAttention {
  func project(
    _ qkv: MutableFloats, _ input: Floats, layer: Int, _ weights: LayerParameters,
    _ rows: TokenRows,
    _ pass: Pass, _ p: Floats
  ) {
    var bias = weights.attentionBias.map { p + $0 }
    if let own = parameters.layers[layer].inputBiases {
      let width = configuration.headWidth
      for head in 0..<configuration.headCount {
        let (out, from) = (fusedBias + 3 * head * width, head * width)
        out.update(from: p + (own.query + from), count: width)
        (out + width).update(repeating: 0, count: width)
        (out + 2 * width).update(from: p + (own.value + from), count: width)
      }
      bias = Floats(fusedBias)
    }
    Linear.forward(
      qkv, input, p + weights.attentionWeight, bias, rows: rows.count, inputs: hidden,
      outputs: 3 * hidden, pass.pool)
  }

  func projectBackward(
    _ dinput: MutableFloats, _ dqkv: Floats, _ input: Floats, layer: Int,
    _ weights: LayerParameters,
    _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    let states = positionStates(layer, pass, p)
    if settings.sharesKeys {
      projectTogether(dinput, input, states, weights, rows, pass, p, g)
    } else {
      let own = parameters.layers[layer]
      let bias = own.inputBiases == nil ? weights.attentionBias.map { g + $0 } : fusedBias
      Linear.backward(
        dinput, g + weights.attentionWeight, bias, dqkv, input, p + weights.attentionWeight,
        rows: rows.parts, inputs: hidden, outputs: 3 * hidden, accumulateInput: true, pass.pool)
      if let biases = own.inputBiases { splitBias(biases, g) }
      projectPositions(own, states, pass, p, g)
    }
    let key = pass.positionKey(layer: layer, configuration.hiddenDropout)
    let count = positions.vectors.rows * hidden
    if key.probability > 0 {
      dropPositions(
        gradients.dstates, Floats(gradients.dstates), key, of: positions.partRows, pass)
    }
    Reduction.add(gradients.sums, Floats(gradients.dstates), count: count, pass.pool)
  }

  /// The gradients of a fused bias, to where the biases of queries and values are.
  private func splitBias(_ biases: (query: Int, value: Int), _ g: DenseGradients) {
    let width = configuration.headWidth
    for head in 0..<configuration.headCount {
      let gradient = fusedBias + 3 * head * width
      (g + (biases.query + head * width)).update(from: gradient, count: width)
      (g + (biases.value + head * width)).update(from: gradient + 2 * width, count: width)
    }
  }

  /// The gradients of projections that only positions go through; leaves those at the positions.
  private func projectPositions(
    _ own: PositionProjections, _ states: Floats, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    for part in positions.partRows.indices {
      copyStates(states, part, to: positions.vectors[part].lowerBound)
    }
    var isFirst = true
    for (projection, gradient) in [(own.query, gradients.queries), (own.key, gradients.keys)] {
      guard let projection else { continue }
      Linear.backward(
        gradients.dstates, g + projection.weight, projection.bias.map { g + $0 },
        Floats(gradient.values), Floats(gradients.states), p + projection.weight,
        rows: positions.vectors, inputs: hidden, outputs: hidden, accumulateInput: !isFirst,
        pass.pool)
      isFirst = false
    }
  }

  /// The gradients of a projection that tokens and positions go through: a part's sum has its tokens
  /// and then its positions.
  private func projectTogether(
    _ dinput: MutableFloats, _ input: Floats, _ states: Floats, _ weights: LayerParameters,
    _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    for (part, tokens) in rows.parts.enumerated() {
      let first = positions.extended[part].lowerBound
      (gradients.states + first * hidden)
        .update(from: input + tokens.lowerBound * hidden, count: tokens.count * hidden)
      copyStates(states, part, to: first + tokens.count)
    }
    Linear.backward(
      gradients.dstates, g + weights.attentionWeight, weights.attentionBias.map { g + $0 },
      Floats(gradients.extended), Floats(gradients.states), p + weights.attentionWeight,
      rows: positions.extended, inputs: hidden, outputs: 3 * hidden, pass.pool)
    for (part, tokens) in rows.parts.enumerated() {
      let own = gradients.dstates + positions.extended[part].lowerBound * hidden
      Reduction.add(
        dinput + tokens.lowerBound * hidden, Floats(own), count: tokens.count * hidden, pass.pool)
      // Down to where the parts before have left theirs.
      let count = positions.partRows[part].count * hidden
      let target = gradients.dstates + positions.vectors[part].lowerBound * hidden
      target.update(from: own + tokens.count * hidden, count: count)
    }
  }

  /// Copies a part's rows of `states` [R, H] to row `row` of the states that are projected.
  private func copyStates(_ states: Floats, _ part: Int, to row: Int) {
    let own = positions.partRows[part]
    let first = own.isEmpty ? 0 : own.lowerBound - positions.all.lowerBound
    (gradients.states + row * hidden)
      .update(from: states + first * hidden, count: own.count * hidden)
  }

  func finish(_ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients) {
    let sums = gradients.sums
    if let norm = parameters.norm {
      for part in positions.partRows.indices {
        let own = positions.partRows[part]
        let (first, row) = (own.lowerBound - positions.all.lowerBound, positions.vectors[part])
        guard !own.isEmpty else { continue }
        (gradients.states + row.lowerBound * hidden)
          .update(from: normalized + first * hidden, count: own.count * hidden)
        (gradients.inverseDeviation + row.lowerBound)
          .update(from: inverseDeviation + first, count: own.count)
      }
      LayerNorm.backward(
        sums, g + norm.weight, g + norm.bias, Floats(sums), Floats(gradients.states),
        Floats(gradients.inverseDeviation), p + norm.weight, rows: positions.vectors, width: hidden,
        pass.pool)
    }
    let table = positions.partRows.flatMap { Array($0) }
    tableRows.sort(count: table.count) { table[$0] }
    Embedding.sumRows(
      g + parameters.table, Floats(sums), tableRows, parts: positions.vectors, width: hidden,
      pass.pool)
  }
}
