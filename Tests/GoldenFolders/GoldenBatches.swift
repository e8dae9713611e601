// Batches of reference rows, as the model takes them.

import Encoders
import Kernels
import Training

/// Rows as Hugging Face takes them, all of one length, with a mask of the real tokens.
package struct PaddedRows {
  /// [S] Which of the file's rows these are.
  package let rows: [Int]
  /// Tokens of a row, with padding.
  package let width: Int
  /// [S] Tokens that are not padding.
  package let realLengths: [Int32]
  /// [S+1] Bounds of the rows by tokens that are computed.
  package let cumulativeLengths: [Int32]
  /// Indices of the tokens that are computed, in the file's arrays.
  private let kept: [Int]

  /// - Parameters:
  ///   - rows: Of the file, in this order; nil for all.
  ///   - keepsPadding: Whether padding counts as tokens that are computed.
  package init(_ tensors: GoldenTensors, rows: [Int]? = nil, keepsPadding: Bool) throws {
    let mask = try tensors.integers("attention_mask")
    let shape = try tensors.shape("input_ids")
    let rows = rows ?? Array(0..<shape[0])
    let width = shape[1]
    let kept = rows.map { row in
      (row * width..<(row + 1) * width).filter { keepsPadding || mask[$0] != 0 }
    }
    (self.rows, self.width) = (rows, width)
    realLengths = rows.map { mask[$0 * width..<($0 + 1) * width].reduce(0, +) }
    cumulativeLengths = kept.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int32($1.count)) }
    self.kept = kept.flatMap { $0 }
  }

  /// What an array with `columns` values a token says of those that are computed.
  package func packed<Value>(_ values: [Value], columns: Int = 1) -> [Value] {
    kept.flatMap { values[$0 * columns..<($0 + 1) * columns] }
  }

  /// What an array with equally many values for each of the file's `count` rows says of these.
  package func ofRows<Value>(_ values: [Value], count: Int) -> [Value] {
    let columns = values.count / count
    return rows.flatMap { values[$0 * columns..<($0 + 1) * columns] }
  }
}

extension GoldenTensors {
  /// Rows of input_ids [S, n] under attention_mask, packed, with their targets.
  ///
  /// For answers, and for tags of characters, padding is kept and computed: it is in Hugging Face's
  /// softmax over a row's positions, and among the neighbours that its convolutions see.
  ///
  /// - Parameters:
  ///   - rows: Of the file; nil for all.
  ///   - parts: The micro-batches, by `rows`; nil for one.
  package func labelledBatch(
    _ configuration: ModelConfiguration, rows: [Int]? = nil, parts: Parts? = nil
  ) throws -> Replica.LabelledBatch {
    let padded = try PaddedRows(self, rows: rows, keepsPadding: configuration.comparesPadding)
    let targets = try targets(configuration.task, padded)
    var hidden: [Int32] = []
    if case .pretraining(let masked, _) = targets { hidden = masked.tokens }
    let ids = try padded.packed(integers("input_ids"))
    let types = try tokenTypes.map { padded.packed($0) }
    let numbers = padded.rows.map { UInt32($0) }
    let batch =
      configuration.comparesPadding
      ? PackedBatch(
        inputIDs: ids, typeIDs: types, cumulativeLengths: padded.cumulativeLengths, rows: numbers,
        parts: parts, keyCounts: padded.realLengths)
      : configuration.batch(
        inputIDs: ids, typeIDs: types, cumulativeLengths: padded.cumulativeLengths, rows: numbers,
        parts: parts, masked: hidden)
    return Replica.LabelledBatch(batch: batch, targets: targets)
  }

  private func targets(_ task: Task, _ padded: PaddedRows) throws -> Targets {
    let count = try shape("input_ids")[0]
    switch task {
    case .multiLabel: return .multiLabel(padded.ofRows(try floats("labels"), count: count))
    case .multiClass: return .classes(padded.ofRows(try integers("labels"), count: count))
    case .regression: return .values(padded.ofRows(try floats("labels"), count: count))
    case .tokenClassification: return .tags(padded.packed(try integers("labels")))
    case .questionAnswering:
      let starts = padded.ofRows(try integers("start_positions"), count: count)
      let ends = padded.ofRows(try integers("end_positions"), count: count)
      return .spans(zip(starts, ends).flatMap { [$0, $1] })
    case .pretraining:
      let packed = padded.packed(try integers("labels"))
      let hidden = packed.indices.filter { packed[$0] != Targets.noTag }
      return .pretraining(
        MaskedWords(tokens: hidden.map(Int32.init), ids: hidden.map { packed[$0] }),
        nextSentence: padded.ofRows(try integers("next_sentence_label"), count: count))
    }
  }
}

extension ModelConfiguration {
  /// Whether tokens are characters, which see neighbours through convolutions.
  package var isOfCharacters: Bool { architecture.modelType == "canine" }
  /// Whether the reference's numbers depend on how far a batch's rows were padded.
  package var comparesPadding: Bool {
    task == .questionAnswering || (task == .tokenClassification && isOfCharacters)
  }
}
