import Checkpoints
import Encoders
import Foundation
import Kernels
import Training

/// Places of reference data.
enum Reference {
  static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  static let fixtures = package + "/Tests/Fixtures"
  static let shared = package + "/../shared"

  /// Reads Python's snake_case keys.
  static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The pretrained MiniLM folder, from `LOCKSTEP_MINILM` or the cache of the launch scripts.
  static var miniLM: String? {
    let home = environment("HOME") ?? ""
    let cache =
      environment("LOCKSTEP_CACHE") ?? (environment("XDG_CACHE_HOME") ?? home + "/.cache")
      + "/lockstep"
    return [environment("LOCKSTEP_MINILM"), cache + "/minilm"].compactMap { $0 }
      .first { exists($0 + "/model.safetensors") }
  }
}

/// A safetensors file of reference numbers.
struct GoldenTensors {
  private let entries: [String: TensorEntry]
  private let data: Data
  let names: [String]

  init(_ path: String) throws {
    let file = try SafetensorsFile(path: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    data = bytes.dropFirst(8 + header)
    names = file.tensors.map(\.name)
    entries = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0) })
  }

  func shape(_ name: String) -> [Int]? { entries[name]?.shape }

  func floats(_ name: String) -> [Float]? { values(name) }
  func integers(_ name: String) -> [Int32]? { values(name) }

  private func values<Value: BitwiseCopyable>(_ name: String) -> [Value]? {
    guard let entry = entries[name] else { return nil }
    let start = data.startIndex + entry.bytes.lowerBound
    let part = data[start..<start + entry.bytes.count]
    return part.withUnsafeBytes { raw in
      (0..<entry.elementCount).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Value>.size, as: Value.self)
      }
    }
  }

  /// The padded rows of input_ids [S, n] under attention_mask, packed, with their targets.
  ///
  /// For answers, and for tags of characters, padding is kept and computed: it is in Hugging Face's softmax
  /// over a row's positions, and among the neighbours that its convolutions see.
  func labelledBatch(_ configuration: ModelConfiguration) -> Replica.LabelledBatch? {
    let task = configuration.task
    guard let padded = PaddedRows(self, keepsPadding: configuration.comparesPadding),
      let targets = targets(task, padded)
    else { return nil }
    var hidden: [Int32] = []
    if case .pretraining(let masked, _) = targets { hidden = masked.tokens }
    let (ids, types) = (padded.packed(padded.ids), padded.types.map { padded.packed($0) })
    let rows = (0..<UInt32(padded.rows)).map { $0 }
    let batch =
      configuration.comparesPadding
      ? PackedBatch(
        inputIDs: ids, typeIDs: types, cumulativeLengths: padded.cumulativeLengths, rows: rows,
        keyCounts: padded.realLengths)
      : configuration.batch(
        inputIDs: ids, typeIDs: types, cumulativeLengths: padded.cumulativeLengths, rows: rows,
        masked: hidden)
    return Replica.LabelledBatch(batch: batch, targets: targets)
  }

  private func targets(_ task: Task, _ padded: PaddedRows) -> Targets? {
    switch task {
    case .multiLabel: return floats("labels").map(Targets.multiLabel)
    case .multiClass: return integers("labels").map(Targets.classes)
    case .regression: return floats("labels").map(Targets.values)
    case .tokenClassification:
      return integers("labels").map { .tags(padded.packed($0)) }
    case .questionAnswering:
      guard let starts = integers("start_positions"), let ends = integers("end_positions") else {
        return nil
      }
      return .spans(zip(starts, ends).flatMap { [$0, $1] })
    case .pretraining:
      guard let labels = integers("labels"), let next = integers("next_sentence_label") else {
        return nil
      }
      let packed = padded.packed(labels)
      let hidden = packed.indices.filter { packed[$0] != Targets.noTag }
      return .pretraining(
        MaskedWords(tokens: hidden.map(Int32.init), ids: hidden.map { packed[$0] }),
        nextSentence: next)
    }
  }
}

/// Rows as Hugging Face takes them, all of one length, with a mask of the real tokens.
struct PaddedRows {
  let ids: [Int32]
  let types: [UInt8]?
  let rows: Int
  /// Tokens of a row, with padding.
  let width: Int
  /// [rows] Tokens that are not padding.
  let realLengths: [Int32]
  /// Indices of the tokens that are computed.
  private let kept: [Int]

  /// - Parameter keepsPadding: Whether padding counts as tokens that are computed.
  init?(_ tensors: GoldenTensors, keepsPadding: Bool) {
    guard let ids = tensors.integers("input_ids"), let mask = tensors.integers("attention_mask"),
      let shape = tensors.shape("input_ids")
    else { return nil }
    self.ids = ids
    types = tensors.integers("token_type_ids").map { $0.map { UInt8($0) } }
    (rows, width) = (shape[0], shape[1])
    kept = mask.indices.filter { keepsPadding || mask[$0] != 0 }
    realLengths = (0..<shape[0]).map { row in
      mask[row * shape[1]..<(row + 1) * shape[1]].reduce(0, +)
    }
  }

  var cumulativeLengths: [Int32] {
    (0...rows).map { row in Int32(kept.count { $0 < row * width }) }
  }

  /// What an array with `columns` values a token says of the real ones.
  func packed<Value>(_ values: [Value], columns: Int = 1) -> [Value] {
    kept.flatMap { values[$0 * columns..<($0 + 1) * columns] }
  }
}

/// How far computed numbers lie from reference ones, as fractions of what is allowed.
struct GoldenComparison {
  private(set) var worst = (share: 0.0, error: 0.0, tensor: "none")
  private(set) var failures: [String] = []

  /// - Parameters:
  ///   - error: Relative, as it is reported.
  ///   - tolerance: Of that error.
  mutating func note(_ tensor: String, error: Double, tolerance: Double) {
    let share = error.isFinite ? error / tolerance : .infinity
    if share > worst.share { worst = (share, error, tensor) }
    if !(share <= 1) { failures.append("\(tensor): error \(error), allowed \(tolerance)") }
  }

  /// Compares a tensor by the norm of the difference over the norm of the reference.
  ///
  /// - Parameter floor: Added to the reference's norm: gradients of key biases are 0 but for rounding.
  mutating func compare(
    _ tensor: String, _ actual: [Float], _ expected: [Float], tolerance: Double, floor: Double = 0
  ) {
    guard actual.count == expected.count else {
      failures.append("\(tensor): \(actual.count) values, expected \(expected.count)")
      return
    }
    let difference = norm(zip(actual, expected).map { Double($0) - Double($1) })
    let scale = norm(expected.map(Double.init)) + floor
    note(tensor, error: difference == 0 ? 0 : difference / scale, tolerance: tolerance)
  }

  mutating func compare(_ name: String, _ actual: Double, _ expected: Double, tolerance: Double) {
    note(name, error: abs(actual - expected) / abs(expected), tolerance: tolerance)
  }
}

extension ModelConfiguration {
  /// Whether tokens are characters, which see neighbours through convolutions.
  var isOfCharacters: Bool { architecture.modelType == "canine" }
  /// Whether the reference's numbers depend on how far a batch's rows were padded.
  var comparesPadding: Bool {
    task == .questionAnswering || (task == .tokenClassification && isOfCharacters)
  }
}

func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

func array(_ base: Floats, _ count: Int) -> [Float] {
  Array(UnsafeBufferPointer(start: base, count: count))
}

extension Replica {
  /// The gradient of micro-batches that are the whole world's, scaled to the mean loss, without
  /// dropout.
  ///
  /// - Returns: The mean loss.
  func computeWholeGradient(of batches: [LabelledBatch]) -> Double {
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
  func gradient(of parameter: Parameter) -> [Float] {
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
