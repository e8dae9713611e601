import Encoders
import Tokenizers
import Training

/// What a model says of a row.
protocol Prediction: Encodable {
  /// For people: a line, or several.
  var lines: String { get }
}

/// Labels rows for one task.
protocol Predictor {
  /// A prediction for each row, in their order.
  ///
  /// - Throws: Errors that concern all rows: of a model whose logits are not finite.
  func predictions(for rows: [PredictionRow]) throws -> [any Prediction]
}

/// A fine-tuned model and its tokenizer.
struct TextModel {
  let model: TrainedModel
  let tokenizer: Tokenizer
  /// Tokens that a row is cut to.
  let maxLength: Int

  var labelNames: [String] { model.labelNames }

  func encode(_ row: PredictionRow) throws -> Encoding {
    try tokenizer.encode(row.text, pair: row.pair, maxLength: maxLength)
  }

  /// What the model says of each row: logits, row-major; [L], or [tokens, L] where tokens have them.
  ///
  /// - Parameter columns: L
  func logits(of encodings: [Encoding], columns: Int) throws -> [[Float]] {
    var all: [[Float]] = []
    for start in stride(from: 0, to: encodings.count, by: Evaluator.batchSize) {
      let some = encodings[start..<min(start + Evaluator.batchSize, encodings.count)]
      let logits = try model.evaluator.logits(batch(Array(some)))
      var first = 0
      for encoding in some {
        let count = (model.task.labelsTokens ? encoding.ids.count : 1) * columns
        all.append(Array(logits[first..<first + count]))
        first += count
      }
    }
    return all
  }

  /// - Parameter masked: Tokens of the batch whose words are to be predicted.
  func batch(_ encodings: [Encoding], masked: [Int32] = []) -> PackedBatch {
    var bounds: [Int32] = [0]
    for encoding in encodings {
      bounds.append(bounds[bounds.count - 1] + Int32(encoding.ids.count))
    }
    return model.batch(
      inputIDs: encodings.flatMap(\.ids), typeIDs: encodings.flatMap(\.typeIDs),
      cumulativeLengths: bounds, rows: encodings.indices.map(UInt32.init), masked: masked)
  }
}

extension Encoding {
  init(_ aligned: AlignedEncoding) { self.init(ids: aligned.ids, typeIDs: aligned.typeIDs) }
}
