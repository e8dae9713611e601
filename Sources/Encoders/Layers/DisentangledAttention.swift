import Kernels

/// DeBERTa's attention: scores of content with content, of content with relative position and of relative
/// position with content (He et al., arXiv 2006.03654, section 3.1).
///
/// The table of relative positions is all layers'. Each layer drops out of it with one mask for all rows
/// of a step, and projects the rows that the batch can meet. Its gradients, and those of the projections,
/// are summed for each part by itself: layer after layer, then over the parts in their tree.
///
/// T tokens, H = N · D hidden, N heads, D head width, R rows of positions that the batch meets, U the
/// same summed over the parts, each with its own.
final class DisentangledAttention: SelfAttention {
  let configuration: ModelConfiguration
  let parameters: DisentangledParameters
  private let isTraining: Bool
  private let threads: Int
  private(set) var positions = PositionRows()
  private var scratch = ArenaCursor.nowhere
  /// [R, H] The table's rows after its LayerNorm, and what that keeps.
  private var output = ArenaCursor.nowhere
  private(set) var normalized = ArenaCursor.nowhere
  private(set) var inverseDeviation = ArenaCursor.nowhere
  /// [R, H] The same after dropout.
  private var dropped = ArenaCursor.nowhere
  /// [R, 2H] for each layer: queries beside keys where they share the tokens' weights, else all queries
  /// before all keys.
  private var projected: [MutableFloats] = []
  /// [3H] Of a fused projection: the bias, and its gradient.
  private(set) var fusedBias = ArenaCursor.nowhere
  private(set) var gradients = PositionBuffers()
  /// Which of the U rows are which of the table.
  let tableRows: RowTokens

  var settings: DisentangledSettings { parameters.settings }
  var hidden: Int { configuration.hiddenSize }

  init(
    _ configuration: ModelConfiguration, _ parameters: DisentangledParameters, isTraining: Bool,
    threads: Int
  ) {
    self.configuration = configuration
    self.parameters = parameters
    self.isTraining = isTraining
    self.threads = threads
    tableRows = RowTokens(tableRows: 2 * parameters.settings.span)
  }

  func take(_ cursor: inout ArenaCursor, _ capacity: Capacity) {
    let rows = min(2 * capacity.longest, 2 * settings.span)
    scratch = cursor.take(
      RelativeAttention.scratchCount(
        longest: capacity.longest, heads: configuration.headCount,
        headWidth: configuration.headWidth, threads: threads))
    output = cursor.take(rows * hidden)
    normalized = cursor.take(rows * hidden)
    inverseDeviation = cursor.take(rows)
    dropped = cursor.take(rows * hidden)
    fusedBias = cursor.take(3 * hidden)
    projected.removeAll(keepingCapacity: true)
    for layer in 0..<configuration.layerCount {
      projected.append(
        isTraining || layer == 0 ? cursor.take(2 * rows * hidden) : projected[0])
    }
    guard isTraining else { return }
    gradients.take(&cursor, tokens: capacity.tokens, width: hidden, settings)
  }

  func begin(_ rows: TokenRows, _ pass: Pass, _ p: Floats) {
    positions.update(settings, rows, pass.sequenceParts, followsTokens: settings.sharesKeys)
    if let norm = parameters.norm {
      LayerNorm.forward(
        output, normalized, inverseDeviation, table(p), p + norm.weight, p + norm.bias,
        epsilon: configuration.layerNormEpsilon, rows: positions.all.count, width: hidden,
        pass.pool)
    }
    if isTraining { gradients.clear(positions, width: hidden) }
  }

  /// [R, H] The rows of the table that the batch meets.
  private func table(_ p: Floats) -> Floats {
    p + (parameters.table + positions.all.lowerBound * hidden)
  }

  /// [R, H] What a layer projects.
  func positionStates(_ layer: Int, _ pass: Pass, _ p: Floats) -> Floats {
    let states = settings.normalizes ? Floats(output) : table(p)
    let key = pass.positionKey(layer: layer, configuration.hiddenDropout)
    guard key.probability > 0 else { return states }
    dropPositions(dropped, states, key, of: [positions.all], pass)
    return Floats(dropped)
  }

  /// y = x * mask, both [rows, H] for the table's rows in `ranges`, one range after the other.
  func dropPositions(
    _ y: MutableFloats, _ x: Floats, _ key: DropoutKey, of ranges: [Range<Int>], _ pass: Pass
  ) {
    let places = ranges.flatMap { $0.map(UInt32.init) }
    let zeros = [UInt32](repeating: 0, count: places.count)
    zeros.withUnsafeBufferPointer { zeros in
      places.withUnsafeBufferPointer { places in
        guard let zero = zeros.baseAddress, let place = places.baseAddress else { return }
        Dropout.apply(
          y, x, key, TokenCoordinates(rows: zero, positions: place), rows: places.count,
          width: hidden, pass.pool)
      }
    }
  }

  func forward(
    _ context: MutableFloats, _ probabilities: MutableFloats, _ qkv: MutableFloats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats
  ) {
    let (count, own) = (positions.all.count, parameters.layers[layer])
    let states = positionStates(layer, pass, p)
    if settings.sharesKeys, let query = own.query {
      // The keys' weights follow the queries'.
      Linear.forward(
        projected[layer], states, p + query.weight, query.bias.map { p + $0 }, rows: count,
        inputs: hidden, outputs: 2 * hidden, pass.pool)
    } else {
      for (place, projection) in [own.query, own.key].enumerated() {
        guard let projection else { continue }
        Linear.forward(
          projected[layer] + place * count * hidden, states, p + projection.weight,
          projection.bias.map { p + $0 }, rows: count, inputs: hidden, outputs: hidden, pass.pool)
      }
    }
    withAttention(rows) { attention in
      attention.forward(
        context, probabilities, qkv, keys: keys(layer), queries: queries(layer), scratch, key,
        pass.pool)
    }
  }

  func backward(
    _ dqkv: MutableFloats, _ dcontext: Floats, _ probabilities: Floats, _ qkv: Floats, layer: Int,
    _ key: DropoutKey, _ rows: TokenRows, _ pass: Pass, _ p: Floats, _ g: DenseGradients
  ) {
    withAttention(rows) { attention in
      attention.backward(
        settings.sharesKeys ? gradients.extended : dqkv,
        dkeys: settings.contentToPosition ? gradients.keys : nil,
        dqueries: settings.positionToContent ? gradients.queries : nil, dcontext, probabilities,
        qkv, keys: keys(layer), queries: queries(layer), parts: positions.parts, scratch, key,
        pass.pool)
    }
  }

  private func keys(_ layer: Int) -> PositionVectors? {
    guard settings.contentToPosition else { return nil }
    let rows = settings.sharesKeys ? 1 : positions.all.count
    return PositionVectors(
      values: projected[layer] + rows * hidden, stride: positionStride,
      firstRow: positions.all.lowerBound)
  }

  private func queries(_ layer: Int) -> PositionVectors? {
    guard settings.positionToContent else { return nil }
    return PositionVectors(
      values: projected[layer], stride: positionStride, firstRow: positions.all.lowerBound)
  }

  private var positionStride: Int { settings.sharesKeys ? 2 * hidden : hidden }

  private func withAttention(_ rows: TokenRows, _ body: (RelativeAttention) -> Void) {
    let width = configuration.headWidth
    positions.byDistance.withUnsafeBufferPointer { distances in
      guard let base = distances.baseAddress else { return }
      body(
        RelativeAttention(
          heads: configuration.headCount, headWidth: width, interleaved: settings.isFused,
          scale: 1 / Float(width * settings.termCount).squareRoot(),
          positions: RelativePositions(rows: base, reach: positions.reach),
          cumulativeLengths: rows.cumulativeLengths, sequenceRows: rows.sequenceRows,
          keyCounts: rows.keyCounts))
    }
  }
}
