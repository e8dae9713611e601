// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// The sum of word, position and token-type embeddings at the entry of an encoder.
///
/// T tokens, H hidden, V rows of a table.
package enum Embedding {
  /// y [T,H] = word[ids[t]] + position[positions[t]] + type[typeIDs[t]], overwritten.
  ///
  /// Tables are [rows, H]. Without typeIDs every token is of type 0; of a table that is nil nothing is
  /// added. Indices are not checked: the caller has validated them against the tables.
  package static func forward(
    _ y: MutableFloats, word: Floats, position: Floats?, type: Floats?,
    ids: UnsafePointer<Int32>, positions: UnsafePointer<UInt32>, typeIDs: UnsafePointer<UInt8>?,
    rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        let y = y + t * H
        let word = word + Int(ids[t]) * H
        let position = position.map { $0 + Int(positions[t]) * H }
        let type = type.map { $0 + Int(typeIDs?[t] ?? 0) * H }
        eachVector(H) { c, lanes in
          var sum = load(word, c, lanes)
          // Hugging Face adds the types to the words first.
          if let type { sum += load(type, c, lanes) }
          if let position { sum += load(position, c, lanes) }
          store(sum, y, c, lanes)
        }
      }
    }
  }
}
