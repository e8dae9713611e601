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

  /// dtable [V,H] = sums of dy [T,H] over the tokens that read each row, the gradient of one table of
  /// `forward`. Only rows that a token reads are written.
  ///
  /// A row's tokens are added in their order within a part, and the parts in their tree.
  package static func backward(
    _ dtable: MutableFloats, _ dy: Floats, _ groups: RowGroups, tokens parts: Parts, width H: Int,
    _ pool: ThreadPool
  ) {
    let columns = 32
    pool.run((H + columns - 1) / columns) { block, _ in
      let first = block * columns
      let count = min(columns, H - first)
      withUnsafeTemporaryAllocation(of: Vector.self, capacity: 4 * parts.levels + 4) { sums in
        for group in groups.rows.indices {
          sum(group, of: groups, parts, dy + first, stride: H, columns: count, into: sums)
          let row = dtable + Int(groups.rows[group]) * H + first
          eachVector(count) { c, lanes in store(sums[c / 8], row, c, lanes) }
        }
      }
    }
  }

  /// One row's sum over up to 32 columns, left in the first four of `sums`.
  ///
  /// Parts without a token of the row add nothing: the tree is gone through over the others.
  private static func sum(
    _ group: Int, of groups: RowGroups, _ parts: Parts, _ dy: Floats, stride: Int, columns: Int,
    into sums: UnsafeMutableBufferPointer<Vector>
  ) {
    var next = groups.starts[group]
    let end = groups.starts[group + 1]
    // Which part the last two pending sums end with, and how many are pending.
    var pending = 0
    var part = 0
    withUnsafeTemporaryAllocation(of: Int.self, capacity: parts.levels + 1) { lastParts in
      while next < end {
        while Int(groups.tokens[next]) >= parts[part].upperBound { part += 1 }
        // Sums of a subtree that this part is not in are complete.
        while pending > 1,
          lastParts[pending - 1] ^ lastParts[pending - 2] < part ^ lastParts[pending - 1]
        {
          combine(sums, &pending, lastParts)
        }
        for i in 0..<4 { sums[4 * pending + i] = Vector() }
        while next < end, Int(groups.tokens[next]) < parts[part].upperBound {
          let dy = dy + Int(groups.tokens[next]) * stride
          eachVector(columns) { c, lanes in sums[4 * pending + c / 8] += load(dy, c, lanes) }
          next += 1
        }
        lastParts[pending] = part
        pending += 1
      }
      while pending > 1 { combine(sums, &pending, lastParts) }
    }
  }

  private static func combine(
    _ sums: UnsafeMutableBufferPointer<Vector>, _ pending: inout Int,
    _ lastParts: UnsafeMutableBufferPointer<Int>
  ) {
    pending -= 1
    for i in 0..<4 { sums[4 * (pending - 1) + i] += sums[4 * pending + i] }
    lastParts[pending - 1] = lastParts[pending]
  }
}
