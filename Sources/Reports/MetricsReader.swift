import Manifests

/// Reads metrics.jsonl, a line at a time, into what a ``RunHistory`` keeps of it.
struct MetricsReader {
  private typealias Defect = JSONReader.Defect

  let path: String

  /// - Throws: ``ReportError`` naming the line of a record that cannot be read. The last line may be
  ///   one, since a job may be writing it: that is a note.
  func read(into run: inout RunHistory) throws {
    var lines = try LineReader(path: path)
    while let line = try lines.next() {
      if line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { continue }
      do {
        try record(line.bytes, into: &run)
      } catch let defect as Defect {
        guard line.isWhole else {
          run.notes.append(
            "The last line of metrics.jsonl (line \(lines.count)) is not whole and was left out: a job "
              + "is writing it, or was killed while it did.")
          return
        }
        throw ReportError(
          place: "\(path):\(lines.count):\(defect.offset + 1)", expected: defect.expected,
          found: defect.found,
          remedy: "resume the run, which cuts the file to its checkpoint, or put as many spaces in "
            + "the line's place: a checkpoint knows the file's length")
      }
    }
  }

  private func record(_ bytes: [UInt8], into run: inout RunHistory) throws {
    // Nearly all lines are steps: those as lockstep writes them are read in one pass.
    if Self.mentionsStep(bytes), try step(bytes, into: &run) { return }
    // `event` may stand anywhere: a first pass finds it.
    var event = ""
    var json = JSONReader(bytes)
    try json.readObject { key, json in
      if key == "event" { event = try json.readName() } else { try json.skipValue() }
    }
    try json.readEnd()
    json = JSONReader(bytes)
    switch event {
    case "step": _ = try step(bytes, into: &run)
    case "evaluation": try evaluation(&json, into: &run)
    case "checkpoint", "resume": run.events.append(try saved(&json, kind: event))
    case "timing": try timing(&json, into: &run)
    default: break
    }
  }

  private static let stepMark = Array(#""event":"step""#.utf8)

  private static func mentionsStep(_ bytes: [UInt8]) -> Bool {
    let last = bytes.count - stepMark.count
    return last >= 0
      && (0...last).contains { start in
        bytes[start] == stepMark[0] && bytes[start + 1] == stepMark[1]
          && bytes[start..<start + stepMark.count].elementsEqual(stepMark)
      }
  }

  /// - Returns: Whether it is the record of a step; if not, nothing of it was kept.
  private func step(_ bytes: [UInt8], into run: inout RunHistory) throws -> Bool {
    var isStep = false
    var (step, epoch) = (nil as Int?, nil as Double?)
    var (loss, learningRate, gradientNorm) = (nil as Double?, nil as Double?, nil as Double?)
    var (rows, tokens) = ([] as [Int], [] as [Int])
    var json = JSONReader(bytes)
    try json.readObject { key, json in
      switch key {
      case "event": isStep = try json.readName() == "step"
      case "step": step = try json.readInteger()
      case "epoch": epoch = try json.readNumber()
      case "loss": loss = try json.readOptionalNumber()
      case "learning_rate": learningRate = try json.readOptionalNumber()
      case "grad_norm": gradientNorm = try json.readOptionalNumber()
      case "rows_by_rank": rows = try json.readIntegers()
      case "tokens_by_rank": tokens = try json.readIntegers()
      default: try json.skipValue()
      }
    }
    try json.readEnd()
    guard isStep else { return false }
    guard let step else { throw Defect(offset: 0, expected: "a `step`", found: "none") }
    let x = Double(step)
    if let loss { run.loss.append(x: x, y: loss) }
    if let learningRate { run.learningRate.append(x: x, y: learningRate) }
    if let gradientNorm { run.gradientNorm.append(x: x, y: gradientNorm) }
    add(rows, to: &run.rowsByRank)
    add(tokens, to: &run.tokensByRank)
    run.lastStep = max(run.lastStep, step)
    run.lastEpoch = max(run.lastEpoch, epoch ?? 0)
    return true
  }

  private func evaluation(_ json: inout JSONReader, into run: inout RunHistory) throws {
    var found = RunHistory.Evaluation()
    var detail = EvaluationDetailReader()
    try json.readObject { key, json in
      switch key {
      case "event": try json.skipValue()
      case "step": found.step = try json.readInteger()
      case "epoch": found.epoch = try json.readNumber()
      case "train_loss": found.trainLoss = try json.readOptionalNumber()
      case "seconds": found.seconds = try json.readOptionalNumber()
      case "tokens_per_second": found.tokensPerSecond = try json.readOptionalNumber()
      case "peak_rss_mb": found.peakMegabytes = try json.readOptionalNumber()
      default:
        if try detail.read(key, &json) { break }
        if let number = try json.readScore() { found.scores.updateValue(number.value, forKey: key) }
      }
    }
    run.evaluations.append(found)
    let last = run.evaluations.count - 1
    let metric = run.metric
    if let score = found.score(metric) {
      let former = run.bestEvaluation?.score(metric)
      let isBetter = former.map { RunHistory.isError(metric) ? score < $0 : score > $0 } ?? true
      if isBetter { run.best = last }
    }
    if run.best == last || run.best == nil {
      run.detail = try detail.finish(step: found.step, labelNames: run.labelNames)
    }
  }

  private func saved(_ json: inout JSONReader, kind: String) throws -> RunHistory.Event {
    var event = RunHistory.Event(kind: kind)
    try json.readObject { key, json in
      switch key {
      case "step": event.step = try json.readInteger()
      case "path": event.path = try json.readString()
      case "bytes": event.bytes = try json.readOptionalNumber()
      case "seconds": event.seconds = try json.readOptionalNumber()
      case "blocked_seconds": event.blockedSeconds = try json.readOptionalNumber()
      case "added_seconds": event.addedSeconds = try json.readOptionalNumber()
      default: try json.skipValue()
      }
    }
    return event
  }

  private func timing(_ json: inout JSONReader, into run: inout RunHistory) throws {
    var (step, steps, tokens, seconds) = (0, 0, 0, 0.0)
    var throughput: Double?
    var phases: [RunHistory.Phase] = []
    try json.readObject { key, json in
      switch key {
      case "step": step = try json.readInteger()
      case "steps": steps = try json.readInteger()
      case "tokens": tokens = try json.readInteger()
      case "seconds": seconds = try json.readNumber()
      case "tokens_per_second": throughput = try json.readOptionalNumber()
      case "phases_by_rank":
        try json.readObject { name, json in
          phases.append(RunHistory.Phase(name: name, secondsByRank: try json.readNumbers()))
        }
      default: try json.skipValue()
      }
    }
    run.timing.steps &+= steps
    run.timing.tokens &+= tokens
    run.timing.seconds += seconds
    if let throughput { run.timing.throughput.append(x: Double(step), y: throughput) }
    for phase in phases { run.timing.add(phase) }
  }
}

extension RunHistory.Timing {
  private static let order = ["data", "forward", "backward", "exchange", "optimizer"]

  /// Keeps the phases in the order of a step, and others behind them.
  fileprivate mutating func add(_ phase: RunHistory.Phase) {
    if let known = phases.firstIndex(where: { $0.name == phase.name }) {
      Reports.add(phase.secondsByRank, to: &phases[known].secondsByRank)
      return
    }
    func rank(_ name: String) -> Int { Self.order.firstIndex(of: name) ?? Self.order.count }
    let place = phases.firstIndex { rank($0.name) > rank(phase.name) } ?? phases.count
    phases.insert(phase, at: place)
  }
}
