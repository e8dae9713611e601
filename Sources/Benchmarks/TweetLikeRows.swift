import Foundation
import Kernels
import Shards

/// Made-up rows that cost a trainer what short tweets cost: their lengths, and how often a word comes
/// again, are those of real ones.
///
/// Lengths are drawn from the lengths of SemEval-2018 E-c's training tweets (mean 27.4 tokens), ids by
/// the law of Zipf and Mandelbrot, p(k) ~ 1 / (k + 2.7)^1.1 for the k-th word: 8 rows have 219
/// tokens, 149 of them different, 32 rows 471 (the tweets: 146 and 456). A row is a function of the
/// seed and its number.
package struct TweetLikeRows {
  package static let labelNames = (0..<11).map { "LABEL_\($0)" }
  /// Every twentieth of the tweets by length, in tokens of BERT's uncased vocabulary.
  private static let lengthQuantiles = [
    6, 10, 13, 16, 18, 19, 21, 23, 25, 26, 28, 30, 31, 33, 34, 35, 37, 38, 40, 43, 71,
  ]

  package let seed: UInt64
  package let vocabularySize: Int
  package let maxLength: Int
  /// [vocabulary] Sums of the words' weights, ascending.
  private let weights: [Double]

  /// - Parameters:
  ///   - vocabularySize: At least 1.
  ///   - maxLength: Longer rows are cut.
  package init(seed: UInt64, vocabularySize: Int, maxLength: Int) {
    self.seed = seed
    self.vocabularySize = vocabularySize
    self.maxLength = min(maxLength, Self.lengthQuantiles[20])
    var sum = 0.0
    weights = (1...vocabularySize).map { rank in
      sum += 1 / pow(Double(rank) + 2.7, 1.1)
      return sum
    }
  }

  /// - Returns: Ids between those of [CLS] and [SEP] in BERT's vocabularies, and a 0 or 1 a label, one
  ///   in five a 1.
  package func row(_ number: Int) -> (ids: [Int32], labels: [Float]) {
    var stream = PhiloxStream(seed: seed, syntheticRow: UInt64(number))
    let place = 20 * Self.uniform(&stream)
    let (below, above) = (Self.lengthQuantiles[Int(place)], Self.lengthQuantiles[Int(place) + 1])
    let drawn = Double(below) + place.truncatingRemainder(dividingBy: 1) * Double(above - below)
    let length = min(maxLength, Int(drawn))
    var ids = (0..<length).map { _ in word(Self.uniform(&stream)) }
    ids[0] = Int32(101 % vocabularySize)
    ids[length - 1] = Int32(102 % vocabularySize)
    let labels = Self.labelNames.map { _ -> Float in Self.uniform(&stream) < 0.2 ? 1 : 0 }
    return (ids, labels)
  }

  /// Writes rows as a shard folder.
  package func write(rows: Int, to folder: String) throws {
    let writer = try Self.writer(rows: rows, shards: 1, maxLength: maxLength, to: folder)
    for number in 0..<rows {
      let (ids, labels) = row(number)
      try writer.append(ids: ids, rowID: "\(number)", labels: labels)
    }
    _ = try writer.finish()
  }

  /// A writer that takes `rows` such rows.
  static func writer(
    rows: Int, shards: Int, maxLength: Int, to folder: String
  ) throws -> ShardWriter {
    try ShardWriter(
      destination: folder,
      description: ShardDescription(
        labelNames: labelNames, maxLength: maxLength,
        vocabularySHA256: String(repeating: "0", count: 64), hasPairs: false),
      rows: rows, shards: shards)
  }

  /// The id at a share of the weights; frequent words follow the first thousand ids, which BERT's
  /// vocabularies keep for other things.
  private func word(_ share: Double) -> Int32 {
    let target = share * weights[vocabularySize - 1]
    var (low, high) = (0, vocabularySize - 1)
    while low < high {
      let middle = (low + high) / 2
      if weights[middle] > target { high = middle } else { low = middle + 1 }
    }
    return Int32((999 + low) % vocabularySize)
  }

  /// In 0 ..< 1.
  private static func uniform(_ stream: inout PhiloxStream) -> Double {
    Double(stream.next() >> 11) * 0x1p-53
  }
}
