// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The rows of an embedding table that occur among the ids of a batch.
///
/// V rows of the table, U of them touched, T tokens.
package final class TouchedRows {
  /// [U] in rising order.
  package var rows: UnsafeBufferPointer<Int32> {
    UnsafeBufferPointer(rebasing: UnsafeBufferPointer(list)[..<count])
  }
  /// U
  package private(set) var count = 0
  private var list: UnsafeMutableBufferPointer<Int32>
  private let marks: UnsafeMutableBufferPointer<UInt64>

  /// - Parameter tableRows: V
  package init(tableRows V: Int) {
    marks = .allocate(capacity: (V + 63) / 64)
    marks.initialize(repeating: 0)
    list = .allocate(capacity: 0)
  }

  deinit {
    marks.deallocate()
    list.deallocate()
  }

  /// Takes the rows of `ids` [T] in place of those it had.
  ///
  /// - Precondition: Every id is in 0..<V.
  package func replace(with ids: UnsafeBufferPointer<Int32>) {
    count = 0
    for id in ids {
      precondition(id >= 0 && Int(id) >> 6 < marks.count, "id \(id) is not of this table")
      let bit: UInt64 = 1 << UInt64(id & 63)
      if marks[Int(id >> 6)] & bit == 0 { count += 1 }
      marks[Int(id >> 6)] |= bit
    }
    if list.count < count {
      list.deallocate()
      list = .allocate(capacity: count + count / 4)
    }
    var filled = 0
    for word in marks.indices {
      while marks[word] != 0 {
        let bit = marks[word].trailingZeroBitCount
        list.initializeElement(at: filled, to: Int32(word * 64 + bit))
        filled += 1
        marks[word] &= marks[word] - 1
      }
    }
  }
}

/// Which tokens of a batch touch which of some rows: for every row its tokens in their order.
///
/// V rows of the table, U of them touched, T tokens.
package final class RowTokens {
  private let tableRows: Int
  /// [V] The place of a row among the touched ones; what it says of others is stale.
  private let places: UnsafeMutablePointer<Int32>
  /// [U+1] and [T]: the tokens of row u are tokens[starts[u]..<starts[u + 1]].
  private var starts: [Int32] = []
  private var tokens: [Int32] = []
  /// U
  private(set) var count = 0

  /// - Parameter tableRows: V
  package init(tableRows V: Int) {
    tableRows = V
    places = .allocate(capacity: V)
    places.initialize(repeating: 0, count: V)
  }

  deinit { places.deallocate() }

  /// Sorts the tokens of a batch by their rows.
  ///
  /// - Parameters:
  ///   - ids: [T]
  ///   - rows: [U] in rising order, every id among them; rows that no id names have no tokens.
  package func sort(_ ids: UnsafeBufferPointer<Int32>, into rows: UnsafeBufferPointer<Int32>) {
    for (place, row) in rows.enumerated() { places[Int(row)] = Int32(place) }
    sort(count: ids.count, rows: rows.count) { Int(places[Int(ids[$0])]) }
  }

  /// Sorts the tokens of a batch by their rows, all V of which count: U is V.
  ///
  /// - Parameters:
  ///   - tokenCount: T
  ///   - row: The row that a token touches.
  package func sort(count tokenCount: Int, _ row: (_ token: Int) -> Int) {
    sort(count: tokenCount, rows: tableRows, place: row)
  }

  private func sort(count tokenCount: Int, rows: Int, place: (_ token: Int) -> Int) {
    count = rows
    starts.removeAll(keepingCapacity: true)
    starts.append(contentsOf: repeatElement(0, count: rows + 2))
    tokens.removeAll(keepingCapacity: true)
    tokens.append(contentsOf: repeatElement(0, count: tokenCount))
    for token in 0..<tokenCount { starts[place(token) + 2] += 1 }
    for place in stride(from: 2, to: starts.count, by: 1) { starts[place] += starts[place - 1] }
    // The start of row u is now at u + 1, and moves to u + 2's as its tokens come.
    for token in 0..<tokenCount {
      let place = place(token) + 1
      tokens[Int(starts[place])] = Int32(token)
      starts[place] += 1
    }
  }

  /// Calls `body` with the starts [U+1] and the tokens [T].
  func withUnsafePointers(
    _ body: (_ starts: UnsafePointer<Int32>, _ tokens: UnsafeBufferPointer<Int32>) -> Void
  ) {
    starts.withUnsafeBufferPointer { starts in
      tokens.withUnsafeBufferPointer { tokens in
        if let starts = starts.baseAddress { body(starts, tokens) }
      }
    }
  }
}
