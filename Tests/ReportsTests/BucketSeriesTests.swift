import Testing

@testable import Reports

@Suite struct BucketSeriesTests {
  @Test("up to its capacity every point has a bucket of its own", arguments: [0, 1, 7, 8])
  func keepsFew(count: Int) {
    var series = BucketSeries(capacity: 8)
    for x in 0..<count { series.append(x: Double(x), y: Double(x * x)) }
    #expect(series.width == 1)
    #expect(series.buckets.map(\.lastX) == (0..<count).map(Double.init))
    #expect(series.buckets.map(\.mean) == (0..<count).map { Double($0 * $0) })
  }

  @Test("many points keep their mean, their extremes and their order", arguments: [9, 100, 12_345])
  func mergesMany(count: Int) {
    var series = BucketSeries(capacity: 8)
    for x in 0..<count { series.append(x: Double(x), y: x == count / 2 ? 1000 : Double(x % 3)) }
    #expect((4...8).contains(series.buckets.count))
    #expect(series.buckets.reduce(0) { $0 + $1.count } == count)
    #expect(series.buckets.dropLast().allSatisfy { $0.count == series.width })
    #expect(series.buckets.map(\.maximum).max() == 1000)
    #expect(series.buckets.map(\.minimum).min() == 0)
    #expect(series.buckets.last?.lastX == Double(count - 1))
    #expect(zip(series.buckets, series.buckets.dropFirst()).allSatisfy { $0.lastX < $1.x })
    let sum = (0..<count).reduce(0.0) { $0 + ($1 == count / 2 ? 1000 : Double($1 % 3)) }
    let kept = series.buckets.reduce(0) { $0 + $1.mean * Double($1.count) }
    #expect(abs(kept - sum) < 1e-6 * sum)
  }

  @Test("smoothing leaves a constant as it is and flattens what alternates")
  func smooths() {
    var flat = BucketSeries()
    var wild = BucketSeries()
    for x in 0..<400 {
      flat.append(x: Double(x), y: 3)
      wild.append(x: Double(x), y: x % 2 == 0 ? 1 : -1)
    }
    #expect(flat.smoothed.allSatisfy { $0 == 3 })
    #expect(wild.smoothed.dropFirst(10).dropLast(10).allSatisfy { abs($0) < 0.1 })
    #expect(BucketSeries().smoothed.isEmpty)
  }
}
