// Shapes are named by the letters of the legend.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

/// Embeddings of characters without a vocabulary (Clark et al., arXiv 2103.06874, section 3.1; Hugging
/// Face's `CanineEmbeddings`): a code point falls into one bucket of each of several small tables,
/// whose rows side by side are its vector.
///
/// T tokens, H = F · W hidden, F hash functions, W columns of each, B buckets.
package enum HashEmbedding {
  /// Hugging Face's, by which the weights were trained.
  private static let primes: [Int] = [
    31, 43, 59, 61, 73, 97, 103, 113, 137, 149, 157, 173, 181, 193, 211, 223,
  ]

  /// The most hash functions that there are.
  package static var maxFunctions: Int { primes.count }

  /// The row of a function's table for a code point, which is not negative.
  static func bucket(of id: Int32, function: Int, buckets B: Int) -> Int {
    (Int(id) + 1) * primes[function] % B
  }

  /// y [T,H] = (buckets' rows + type[typeIDs[t]]) + position[positions[t]], overwritten.
  ///
  /// Without typeIDs every token is of type 0. Indices are not checked.
  ///
  /// - Parameters:
  ///   - tables: [F,B,W]
  ///   - position: [positions,H]
  ///   - type: [types,H], or nil for nothing.
  package static func forward(
    _ y: MutableFloats, tables: Floats, position: Floats, type: Floats?,
    ids: UnsafePointer<Int32>, positions: UnsafePointer<UInt32>, typeIDs: UnsafePointer<UInt8>?,
    functions F: Int, buckets B: Int, rows T: Int, width H: Int, _ pool: ThreadPool
  ) {
    let W = H / F
    pool.run(over: T, grain: rowGrain(width: H)) { tokens, _ in
      for t in tokens {
        let y = y + t * H
        for f in 0..<F {
          let row = f * B + bucket(of: ids[t], function: f, buckets: B)
          (y + f * W).update(from: tables + row * W, count: W)
        }
        let position = position + Int(positions[t]) * H
        let type = type.map { $0 + Int(typeIDs?[t] ?? 0) * H }
        eachVector(H) { c, lanes in
          var sum = load(y, c, lanes)
          if let type { sum += load(type, c, lanes) }
          store(sum + load(position, c, lanes), y, c, lanes)
        }
      }
    }
  }

  /// dtables [F,B,W], the gradient of `forward` from dy [T,H], summed over the parts in their tree;
  /// overwritten, zeros in buckets of no token.
  ///
  /// - Parameter tokens: Of a table of B rows; sorted anew for each function.
  package static func backward(
    _ dtables: MutableFloats, _ dy: Floats, ids: UnsafePointer<Int32>, _ tokens: RowTokens,
    functions F: Int, buckets B: Int, rows parts: Parts, width H: Int, _ pool: ThreadPool
  ) {
    let W = H / F
    for f in 0..<F {
      tokens.sort(count: parts.rows) { bucket(of: ids[$0], function: f, buckets: B) }
      Embedding.sumRows(
        dtables + f * B * W, dy + f * W, tokens, parts: parts, width: W, stride: H, pool)
    }
  }
}
