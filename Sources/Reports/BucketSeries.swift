/// A curve of any length in bounded memory: equally many neighbouring points are one bucket, with
/// their mean and their extremes.
///
/// Up to `capacity` points each have a bucket of their own. Where there are more, neighbours are
/// merged and every bucket takes twice as many, so that there always are at least half as many
/// buckets as there may be.
package struct BucketSeries: Sendable, Equatable {
  package struct Bucket: Sendable, Equatable {
    package private(set) var count: Int
    package private(set) var minimum: Double
    package private(set) var maximum: Double
    /// Of the last point.
    package private(set) var lastX: Double
    private var sumX: Double
    private var sumY: Double

    package var x: Double { sumX / Double(count) }
    package var mean: Double { sumY / Double(count) }

    init(x: Double, y: Double) {
      (count, minimum, maximum, lastX, sumX, sumY) = (1, y, y, x, x, y)
    }

    mutating func merge(_ next: Bucket) {
      count += next.count
      minimum = Swift.min(minimum, next.minimum)
      maximum = Swift.max(maximum, next.maximum)
      lastX = next.lastX
      sumX += next.sumX
      sumY += next.sumY
    }
  }

  package private(set) var buckets: [Bucket] = []
  /// Points that a full bucket has: a power of two.
  package private(set) var width = 1
  private let capacity: Int

  /// - Parameter capacity: the most buckets there may be; even.
  package init(capacity: Int = 512) {
    precondition(capacity >= 2 && capacity % 2 == 0, "buckets are merged in pairs")
    self.capacity = capacity
  }

  /// Adds a point behind all others.
  package mutating func append(x: Double, y: Double) {
    if let last = buckets.indices.last, buckets[last].count < width {
      buckets[last].merge(Bucket(x: x, y: y))
      return
    }
    if buckets.count == capacity { mergePairs() }
    buckets.append(Bucket(x: x, y: y))
  }

  /// Called with an even number of full buckets.
  private mutating func mergePairs() {
    for pair in 0..<buckets.count / 2 {
      var merged = buckets[2 * pair]
      merged.merge(buckets[2 * pair + 1])
      buckets[pair] = merged
    }
    buckets.removeLast(buckets.count / 2)
    width *= 2
  }

  package var isEmpty: Bool { buckets.isEmpty }

  /// [buckets] The mean around each bucket, over about a twentieth of the curve.
  package var smoothed: [Double] {
    let reach = buckets.count / 40
    return buckets.indices.map { center in
      let near = buckets[max(0, center - reach)...min(buckets.count - 1, center + reach)]
      return near.reduce(0) { $0 + $1.mean * Double($1.count) }
        / Double(near.reduce(0) { $0 + $1.count })
    }
  }
}
