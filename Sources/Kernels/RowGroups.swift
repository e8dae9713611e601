/// The tokens of a batch by the row of a table that they read: what a sum by row goes through.
///
/// T tokens, U rows that are read at all.
package struct RowGroups: Sendable {
  /// [U] Rows of the table, ascending.
  package let rows: [Int32]
  /// [U+1] Row u is read by `tokens[starts[u]..<starts[u + 1]]`.
  let starts: [Int]
  /// [T] Tokens, ascending within a row.
  let tokens: [Int32]

  /// - Parameter ids: [T] The row of each token.
  package init(_ ids: some Sequence<Int32>) {
    // Sorted as one number, so that tokens of a row stay in order.
    let keys = ids.enumerated().map { UInt64(UInt32(bitPattern: $1)) << 32 | UInt64($0) }.sorted()
    var rows: [Int32] = []
    var starts: [Int] = []
    for (place, key) in keys.enumerated() {
      let row = Int32(truncatingIfNeeded: key >> 32)
      guard rows.last != row else { continue }
      rows.append(row)
      starts.append(place)
    }
    self.rows = rows
    self.starts = starts + [keys.count]
    tokens = keys.map { Int32(truncatingIfNeeded: $0) }
  }
}
