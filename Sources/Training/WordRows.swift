import Encoders
import Kernels

/// The word embeddings of a replica, of which a step touches few rows: their gradient and their
/// updates.
///
/// The gradient has a row for each word of the *global* batch, the same rows on every rank, so that
/// ranks can add theirs like any other floats.
///
/// T tokens of this rank, V words, U of them touched, H hidden. A model whose word table is dense, or
/// that has none, has no words here, and neither has one whose table is frozen: no token is of any.
final class WordRows {
  private let width: Int
  private let decays: Bool
  private let learningRateScale: Double
  /// Whether the words have gradients of their own: not where their table is frozen or dense.
  let areTrained: Bool
  private let updates: LazyAdamW
  /// [T] The ids of this rank's micro-batches, one after the other.
  private(set) var ids: [Int32] = []
  /// Of this rank, by tokens.
  private var parts = Parts.one(0)
  /// Where the tokens of each batch begin.
  private var starts: [Int] = []
  private let own: TouchedRows
  private let touched: TouchedRows
  private let tokens: RowTokens
  /// [T, H] The gradient of each token's word embedding.
  private var tokenGradients = Arena(count: 0)
  /// [U, H] or more.
  private var values = Arena(count: 0)

  /// - Parameters:
  ///   - parameters: The replica's, as are the moments: they must outlive this object.
  init(
    _ optimizer: AdamW, _ layout: ParameterLayout, layerDecay: Double, _ parameters: Arena,
    _ expAvg: Arena, _ expAvgSq: Arena
  ) {
    let table = layout.wordTable
    let rows = table.shape[0]
    width = table.shape[1]
    decays = table.decays
    areTrained = table.isTrained
    learningRateScale = layout.learningRateScale(of: table, layerDecay: layerDecay)
    updates = LazyAdamW(
      optimizer, parameters.base + table.offset, expAvg.base + table.offset,
      expAvgSq.base + table.offset, rows: rows, width: width)
    own = TouchedRows(tableRows: rows)
    touched = TouchedRows(tableRows: rows)
    tokens = RowTokens(tableRows: rows)
  }

  /// [U] The words of the global batch in rising order, since `sum`'s ids were set.
  var rows: UnsafeBufferPointer<Int32> { touched.rows }
  /// [U, H] The gradient, since `sum`.
  var gradient: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: values.base, count: touched.count * width)
  }

  /// Takes this rank's micro-batches in their order, and brings the words that they read up to date.
  func begin(_ batches: [PackedBatch], _ pool: ThreadPool) {
    ids.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    guard areTrained else { return }
    var bounds = [0]
    for batch in batches {
      starts.append(ids.count)
      for part in 0..<batch.tokenParts.count {
        bounds.append(ids.count + batch.tokenParts[part].upperBound)
      }
      ids += batch.inputIDs
    }
    parts = Parts(bounds: bounds)
    ids.withUnsafeBufferPointer(own.replace)
    updates.bringUpToDate(own.rows, pool)
    let count = ids.count * width
    if tokenGradients.count < count { tokenGradients = Arena(count: count + count / 4) }
  }

  /// Keeps what the backward pass of a batch says of its tokens.
  ///
  /// - Parameter gradient: [tokens of the batch, H]
  func keep(_ gradient: Floats, ofBatch batch: Int) {
    guard areTrained else { return }
    let start = starts[batch]
    let end = batch + 1 < starts.count ? starts[batch + 1] : ids.count
    (tokenGradients.base + start * width).update(from: gradient, count: (end - start) * width)
  }

  /// Says which words the global batch has.
  ///
  /// - Parameter ids: Of all ranks' tokens, in any order.
  func touch(_ ids: UnsafeBufferPointer<Int32>) { touched.replace(with: ids) }

  /// Makes `gradient` this rank's, from what was kept of all its micro-batches.
  func sum(_ pool: ThreadPool) {
    let count = touched.count * width
    if values.count < count { values = Arena(count: count + count / 4) }
    ids.withUnsafeBufferPointer { tokens.sort($0, into: touched.rows) }
    Embedding.sumRows(
      values.base, Floats(tokenGradients.base), tokens, parts: parts, width: width, pool)
  }

  /// One step of all rows.
  func update(_ step: UpdateStep, _ pool: ThreadPool) {
    guard areTrained else { return }
    updates.update(
      rows: touched.rows, values.base, step: step.number,
      learningRate: step.learningRate * learningRateScale,
      weightDecay: decays ? step.weightDecay : 0, gradientScale: step.gradientScale, pool)
  }

  /// Makes all rows what a dense update would have left.
  func bringUpToDate(_ pool: ThreadPool) { updates.bringUpToDate(pool) }
}
