// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// AdamW for a table of which a step touches few rows, as the word embeddings are: bit for bit what
/// `AdamW.update` does with a gradient that is zero in all other rows.
///
/// A row without gradient changes too: its moments fade, and it moves and decays. It makes these
/// steps up when it is next touched, when somebody asks for it, or when its turn comes: in every step a
/// share of the rows is brought up to date, so that none is more than `period` steps behind.
///
/// V rows of the table, H width, U rows touched.
package final class LazyAdamW {
  /// After so many steps every row has had its turn.
  package static let period = 128

  /// The table and its moments [V,H], which their owner keeps for as long as this lives.
  private let p: MutableFloats
  private let m: MutableFloats
  private let v: MutableFloats
  private let rows: Int
  private let width: Int
  private let optimizer: AdamW
  private let replay: RowReplay
  private var missed: MissedSteps
  /// [V] The number of the first step that a row has not taken.
  private let next: UnsafeMutablePointer<Int>
  /// The row whose turn is next.
  private var turn = 0
  /// Whether no row has missed a step.
  package private(set) var isCurrent = true

  /// Rows in a block of work.
  private static let grain = 4

  /// - Parameters:
  ///   - p: Parameters [V,H]; they, m and v must outlive this object.
  ///   - m: First moments [V,H].
  ///   - v: Second moments [V,H].
  package init(
    _ optimizer: AdamW, _ p: MutableFloats, _ m: MutableFloats, _ v: MutableFloats, rows V: Int,
    width H: Int
  ) {
    precondition(V >= 0 && H >= 0, "a table cannot be [\(V), \(H)]")
    (self.p, self.m, self.v) = (p, m, v)
    (rows, width) = (V, H)
    self.optimizer = optimizer
    replay = RowReplay(optimizer)
    missed = MissedSteps(optimizer, keeping: Self.period)
    next = .allocate(capacity: V)
    next.initialize(repeating: 0, count: V)
  }

  deinit {
    missed.deallocate()
    next.deallocate()
  }

  /// Brings all rows up to date: the table and its moments are then what a dense update would have
  /// left.
  package func bringUpToDate(_ pool: ThreadPool) {
    guard !isCurrent else { return }
    pool.run(over: rows, grain: Self.grain) { range, _ in
      for row in range { catchUp(row) }
    }
    missed.removeAll()
    isCurrent = true
  }

  /// Brings some rows up to date; writes to no row that is.
  ///
  /// - Parameter rows: [U], each once.
  package func bringUpToDate(_ rows: UnsafeBufferPointer<Int32>, _ pool: ThreadPool) {
    guard !isCurrent else { return }
    pool.run(over: rows.count, grain: Self.grain) { range, _ in
      for index in range { catchUp(Int(rows[index])) }
    }
  }

  /// One step: `AdamW.update` with a gradient that is zero outside of `rows`.
  ///
  /// - Parameters:
  ///   - rows: [U], each once.
  ///   - gradients: [U,H], one row's after the other.
  ///   - step: as in `AdamW.update`, as are the others.
  package func update(
    rows: UnsafeBufferPointer<Int32>, _ gradients: Floats, step: Int, learningRate: Double,
    weightDecay: Double, gradientScale: Float, _ pool: ThreadPool
  ) {
    let factors = optimizer.factors(
      step: step, learningRate: learningRate, weightDecay: weightDecay)
    pool.run(over: rows.count, grain: Self.grain) { range, _ in
      for index in range {
        let row = Int(rows[index])
        catchUp(row)
        let i = row * width
        optimizer.update(
          p + i, m + i, v + i, gradients + index * width, count: width, factors,
          gradientScale: gradientScale)
        next[row] += 1
      }
    }
    missed.append(factors)
    isCurrent = false
    takeTurns(pool)
  }

  private func takeTurns(_ pool: ThreadPool) {
    let start = turn
    let count = min(rows - start, (rows + Self.period - 1) / Self.period)
    pool.run(over: count, grain: Self.grain) { range, _ in
      for index in range { catchUp(start + index) }
    }
    turn = start + count == rows ? 0 : start + count
  }

  private func catchUp(_ row: Int) {
    guard next[row] < missed.end else { return }
    let i = row * width
    replay.run(p + i, m + i, v + i, count: width, missed.from(next[row]))
    next[row] = missed.end
  }
}
