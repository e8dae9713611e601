import Testing

@testable import Benchmarks

@Suite struct TweetLikeRowsTests {
  private let rows = TweetLikeRows(seed: 42, vocabularySize: 30522, maxLength: 512)

  @Test("lengths and repeated words are those of tweets")
  func resembleTweets() {
    let drawn = (0..<4000).map { rows.row($0).ids }
    let lengths = drawn.map(\.count)
    let mean = Double(lengths.reduce(0, +)) / Double(lengths.count)
    #expect(abs(mean - 27.4) < 0.6, "mean \(mean)")
    #expect(lengths.min() == 6)
    #expect((60...71).contains(lengths.max() ?? 0))
    for (batch, expected) in [(8, 149.0), (32, 471)] {
      let distinct = stride(from: 0, to: 4000 - batch, by: batch).map { start in
        Double(Set(drawn[start..<start + batch].joined()).count)
      }
      let mean = distinct.reduce(0, +) / Double(distinct.count)
      #expect(abs(mean / expected - 1) < 0.03, "\(mean) in \(batch) rows")
    }
  }

  @Test("a row is a function of the seed and its number, and fits the model")
  func isReproducible() {
    let short = TweetLikeRows(seed: 42, vocabularySize: 7, maxLength: 9)
    for number in [0, 1, 1000] {
      #expect(rows.row(number).ids == rows.row(number).ids)
      #expect(rows.row(number).labels == rows.row(number).labels)
      let ids = short.row(number).ids
      #expect((1...9).contains(ids.count))
      #expect(ids.allSatisfy { (0..<7).contains($0) })
    }
    let other = TweetLikeRows(seed: 43, vocabularySize: 30522, maxLength: 512)
    #expect((0..<9).map { rows.row($0).ids } != (0..<9).map { other.row($0).ids })
  }
}
