import Encoders
import Kernels
import Training

extension Replica {
  /// The gradient of micro-batches that are the whole world's, scaled to the mean loss, without
  /// dropout.
  ///
  /// - Returns: The mean loss.
  package func computeWholeGradient(of batches: [LabelledBatch]) -> Double {
    let counts = batches.reduce(into: LossCounts(rows: 0)) { sum, labelled in
      let own = labelled.targets.counts(rows: labelled.batch.sequenceCount)
      sum.rows += own.rows
      sum.tokens += own.tokens
    }
    let ids = begin(batches)
    let losses = computeGradient(of: batches, counts: counts, dropout: nil)
    ids.withUnsafeBufferPointer { sumWordRows(touchedBy: $0) }
    return losses.reduce(0, +)
  }

  /// A parameter's gradient, with zeros for the words that no token had.
  package func gradient(of parameter: Parameter) -> [Float] {
    let dense = model.layout.dense
    if parameter != model.layout.wordTable {
      return array(Floats(gradient) + (parameter.offset - dense.lowerBound), parameter.count)
    }
    let width = parameter.shape[1]
    var whole = [Float](repeating: 0, count: parameter.count)
    for (index, row) in touchedWords.enumerated() {
      let values = Array(wordGradient[index * width..<(index + 1) * width])
      whole.replaceSubrange(Int(row) * width..<(Int(row) + 1) * width, with: values)
    }
    return whole
  }
}

package func array(_ base: Floats, _ count: Int) -> [Float] {
  Array(UnsafeBufferPointer(start: base, count: count))
}
