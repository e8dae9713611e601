import Manifests

/// What an evaluation record has beside its scores: numbers of each label, and of each threshold.
struct EvaluationDetailReader {
  private var labels: [String: [Double]] = [:]
  private var types: [RunHistory.LabelScore] = []
  private var thresholds: [Double] = []
  private var sweep = RunHistory.Sweep()

  /// Reads the value of a key.
  ///
  /// - Returns: Whether it is one of a detail; if not, nothing was read.
  mutating func read(_ key: String, _ json: inout JSONReader) throws -> Bool {
    switch key {
    case "per_label": labels = try json.readNumberArrays()
    case "per_type": types = try readTypes(&json)
    case "thresholds": thresholds = try json.readNumbers()
    case "per_label_tuned": try json.skipValue()
    case "sweep":
      let arrays = try json.readNumberArrays()
      sweep = RunHistory.Sweep(
        thresholds: arrays["thresholds"] ?? [], precision: arrays["precision"] ?? [],
        recall: arrays["recall"] ?? [], f1: arrays["f1"] ?? [])
    default: return false
    }
    return true
  }

  /// - Parameter labelNames: of the run; labels beyond them are called by their number.
  /// - Throws: `JSONReader.Defect` where arrays that belong together have different lengths.
  func finish(step: Int, labelNames: [String]) throws -> RunHistory.EvaluationDetail {
    let count = sweep.thresholds.count
    guard [sweep.precision, sweep.recall, sweep.f1].allSatisfy({ $0.count == count }) else {
      throw JSONReader.Defect(
        offset: 0, expected: "a `sweep` with \(count) numbers of each kind", found: "others")
    }
    var detail = RunHistory.EvaluationDetail(step: step, labels: types, sweep: sweep)
    guard let f1 = labels["f1"] else { return detail }
    guard let precision = labels["precision"], let recall = labels["recall"],
      let support = labels["support"],
      [precision, recall, support].allSatisfy({ $0.count == f1.count })
    else {
      throw JSONReader.Defect(
        offset: 0, expected: "a `per_label` with \(f1.count) numbers of each kind", found: "others")
    }
    detail.labels = try f1.indices.map { label in
      guard let support = Int(exactly: support[label].rounded()) else {
        throw JSONReader.Defect(
          offset: 0, expected: "a `support` that is a count", found: "\(support[label])")
      }
      return RunHistory.LabelScore(
        name: label < labelNames.count ? labelNames[label] : "label \(label)",
        precision: precision[label], recall: recall[label], f1: f1[label],
        support: support,
        threshold: label < thresholds.count ? thresholds[label] : nil)
    }
    return detail
  }

  private func readTypes(_ json: inout JSONReader) throws -> [RunHistory.LabelScore] {
    var found: [RunHistory.LabelScore] = []
    try json.readObject { type, json in
      var score = RunHistory.LabelScore(name: type)
      try json.readObject { key, json in
        switch key {
        case "precision": score.precision = try json.readNumber()
        case "recall": score.recall = try json.readNumber()
        case "f1": score.f1 = try json.readNumber()
        case "support": score.support = try json.readInteger()
        default: try json.skipValue()
        }
      }
      found.append(score)
    }
    return found
  }
}

extension JSONReader {
  /// Reads a number; nil for null.
  mutating func readOptionalNumber() throws -> Double? {
    guard let score = try readScore() else {
      throw Defect(offset: position, expected: "a number or null", found: "another value")
    }
    return score.value
  }

  /// Reads any value; nil for what is neither a number nor null.
  mutating func readScore() throws -> (value: Double?, Void)? {
    let bytes = try readBytes()
    if bytes.first == UInt8(ascii: "n") { return (nil, ()) }
    guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else {
      return nil
    }
    return (value, ())
  }

  mutating func readNumbers() throws -> [Double] {
    var numbers: [Double] = []
    try readArray { numbers.append(try $0.readNumber()) }
    return numbers
  }

  mutating func readIntegers() throws -> [Int] {
    var numbers: [Int] = []
    try readArray { numbers.append(try $0.readInteger()) }
    return numbers
  }

  mutating func readNumberArrays() throws -> [String: [Double]] {
    var arrays: [String: [Double]] = [:]
    try readObject { key, json in arrays[key] = try json.readNumbers() }
    return arrays
  }
}
