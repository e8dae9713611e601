// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The sum of word, position and token-type embeddings at the entry of an encoder.
///
/// T tokens, H hidden, V rows of a table.
package enum Embedding {
  /// y [T,H] = word[ids[t]] + position[positions[t]] + type[typeIDs[t]], overwritten.
  ///
  /// Tables are [rows, H]. Without typeIDs every token is of type 0; without a type table nothing is
  /// added. Indices are not checked: the caller has validated them against the tables.
  package static func forward(
    _ y: MutableFloats, word: Floats, position: Floats, type: Floats?,
    ids: UnsafePointer<Int32>, positions: UnsafePointer<UInt32>, typeIDs: UnsafePointer<UInt8>?,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        let y = y + t * H
        let word = word + Int(ids[t]) * H
        let position = position + Int(positions[t]) * H
        if let type {
          let type = type + Int(typeIDs?[t] ?? 0) * H
          // Hugging Face adds the types to the words first.
          eachVector(H) { c, lanes in
            let sum = load(word, c, lanes) + load(type, c, lanes)
            store(sum + load(position, c, lanes), y, c, lanes)
          }
        } else {
          eachVector(H) { c, lanes in
            store(load(word, c, lanes) + load(position, c, lanes), y, c, lanes)
          }
        }
      }
    }
  }

  /// dtable [V,H] += dy[t] at row rowOf(t), the gradient of one table of `forward`.
  ///
  /// A row's gradients are added in token order, whatever the threads: they share columns, not
  /// tokens. The caller has zeroed dtable.
  package static func accumulate(
    _ dtable: MutableFloats, _ dy: Floats, rowOf index: (Int) -> Int,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    pool.run(ColumnSum.blocks(width: H)) { block, _ in
      let columns = ColumnSum.columns(block, width: H)
      for t in 0..<T {
        let row = dtable + index(t) * H + columns.lowerBound
        let dy = dy + t * H + columns.lowerBound
        eachVector(columns.count) { c, lanes in
          store(load(row, c, lanes) + load(dy, c, lanes), row, c, lanes)
        }
      }
    }
  }

  /// `accumulate` with the row numbers in memory: word ids.
  package static func accumulate(
    _ dtable: MutableFloats, _ dy: Floats, rowOf index: UnsafePointer<Int32>,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    accumulate(dtable, dy, rowOf: { Int(index[$0]) }, rows: T, width: H, pool)
  }

  /// `accumulate` with the row numbers in memory: positions.
  package static func accumulate(
    _ dtable: MutableFloats, _ dy: Floats, rowOf index: UnsafePointer<UInt32>,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    accumulate(dtable, dy, rowOf: { Int(index[$0]) }, rows: T, width: H, pool)
  }

  /// `accumulate` with the row numbers in memory: token types.
  package static func accumulate(
    _ dtable: MutableFloats, _ dy: Floats, rowOf index: UnsafePointer<UInt8>,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    accumulate(dtable, dy, rowOf: { Int(index[$0]) }, rows: T, width: H, pool)
  }
}
