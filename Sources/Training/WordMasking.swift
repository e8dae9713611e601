import Encoders
import Kernels
import Shards

/// Hides words for masked language modelling (Devlin et al., arXiv 1810.04805, section 3.1): 15 % of a
/// row's words, of which 80 % become the mask token, 10 % a random one, and 10 % stay.
///
/// Which ones is a pure function of (seed, epoch, row in the dataset, position): every epoch hides others,
/// and no rank, batch or resumption changes them.
package struct WordMasking: Sendable {
  /// The token that stands for a hidden word.
  private let maskID: Int32
  /// Tokens that are never hidden.
  private let specialIDs: Set<Int32>
  private let vocabularySize: Int
  private let seed: UInt64

  private static let share = 0.15
  private static let maskedShare = 0.8
  private static let randomShare = 0.1

  /// The epoch of evaluations, whose masks never change.
  static let evaluationEpoch = Int(UInt32.max)

  package init(seed: UInt64, maskID: Int32, specialIDs: [Int32], vocabularySize: Int) {
    self.seed = seed
    self.maskID = maskID
    self.specialIDs = Set(specialIDs)
    self.vocabularySize = vocabularySize
  }

  /// - Returns: What the model is shown in place of the batch's ids, and what it is to find.
  package func hide(_ rows: RowBatch, epoch: Int) -> (ids: [Int32], masked: MaskedWords) {
    var ids = rows.inputIDs
    var masked = MaskedWords()
    for (s, row) in rows.rows.enumerated() {
      let first = Int(rows.cumulativeLengths[s])
      for token in first..<Int(rows.cumulativeLengths[s + 1]) {
        let id = ids[token]
        guard !specialIDs.contains(id) else { continue }
        let words = Philox4x32.maskingWords(
          seed: seed, epoch: UInt32(truncatingIfNeeded: epoch), row: row,
          position: UInt32(token - first))
        guard Self.uniform(words.x) < Self.share else { continue }
        masked.tokens.append(Int32(token))
        masked.ids.append(id)
        let choice = Self.uniform(words.y)
        if choice < Self.maskedShare {
          ids[token] = maskID
        } else if choice < Self.maskedShare + Self.randomShare {
          ids[token] = Int32(words.z.multipliedFullWidth(by: UInt32(vocabularySize)).high)
        }
      }
    }
    return (ids, masked)
  }

  private static func uniform(_ word: UInt32) -> Double { Double(word) * 0x1p-32 }
}
