import Foundation
import Training

/// Rows in, predictions out, in the same order.
struct PredictionStream {
  /// Lines that were no rows.
  private(set) var badLines = 0

  private let predictor: any Predictor
  private var output: PredictionOutput
  /// Rows, and lines that are none, that wait for their turn.
  private var pending: [Result<PredictionRow, NumberedError>] = []
  private var done = 0

  private struct NumberedError: Error {
    let line: Int
    let error: BadLine
  }

  init(_ predictor: any Predictor, _ output: PredictionOutput) {
    self.predictor = predictor
    self.output = output
  }

  mutating func predict(_ rows: [PredictionRow]) throws {
    for row in rows { try append(.success(row)) }
    try flush()
    try output.finish()
  }

  /// Predicts the lines of standard input. What is waiting is answered before it waits for more, so
  /// that a slow writer gets its answers at once and a fast one whole batches.
  mutating func predict(standardInput form: PredictionInput, hasPair: Bool) throws {
    var lines = StandardInputLines()
    var progress = StreamProgress()
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    while var line = try lines.next(beforeWaiting: { try flush() }) {
      if done + pending.count == 0, line.starts(with: mark) { line.removeFirst(mark.count) }
      do {
        try append(.success(PredictionRow(line: line, form: form, hasPair: hasPair)))
      } catch let error as BadLine {
        badLines += 1
        try append(.failure(NumberedError(line: done + pending.count + 1, error: error)))
      }
      progress.update(rows: done, bad: badLines)
    }
    try flush()
    try output.finish()
    progress.finish(rows: done, bad: badLines)
  }

  private mutating func append(_ row: Result<PredictionRow, NumberedError>) throws {
    pending.append(row)
    if pending.count == Evaluator.batchSize { try flush() }
  }

  private mutating func flush() throws {
    guard !pending.isEmpty else { return }
    var predictions = try predictor.predictions(for: pending.compactMap { try? $0.get() })[...]
    for row in pending {
      switch row {
      case .success: if let prediction = predictions.popFirst() { try output.append(prediction) }
      case .failure(let bad): try output.append(bad.error, line: bad.line)
      }
    }
    done += pending.count
    pending.removeAll(keepingCapacity: true)
    try output.flush()
  }
}

/// Tells on standard error how far a stream is that takes its time: every ten seconds, and at its end.
private struct StreamProgress {
  private let start = ContinuousClock.now
  private var last = ContinuousClock.now

  private static let interval = Duration.seconds(10)

  mutating func update(rows: Int, bad: Int) {
    let now = ContinuousClock.now
    guard now - last >= Self.interval else { return }
    last = now
    say(rows, bad)
  }

  /// Says nothing of what was quick and whole.
  func finish(rows: Int, bad: Int) {
    guard bad > 0 || ContinuousClock.now - start >= Self.interval else { return }
    say(rows, bad)
  }

  private func say(_ rows: Int, _ bad: Int) {
    let seconds = max((ContinuousClock.now - start).seconds, 1e-9)
    let errors = bad == 0 ? "" : ", \(bad) lines with errors"
    writeLine(
      "predict: \(rows.formatted()) rows, "
        + String(format: "%.0f rows/s", Double(rows) / seconds) + errors)
  }
}
