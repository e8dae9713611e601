/// What is known about rows, in the form that their task has.
///
/// S rows, T tokens of them, L labels.
package struct RowLabels: Sendable, Equatable {
  package let task: ShardTask
  /// Multi-label: [S, L], for each label its probability, 0 or 1. Regression: [S]. Else none.
  package private(set) var floats: [Float] = []
  /// Multi-class: [S], the label, in 0..<L. Token classification: [T], the label of each token, in 0..<L,
  /// or ``noTag``. Question answering: [S, 2], first and last token of the answer within the row; 0, 0
  /// (the first special token) where there is none. Pre-training: [S], 0 where the second segment follows
  /// the first, 1 where it is random, which is BERT's order. Else none.
  package private(set) var integers: [Int32] = []

  /// The tag of a token without one, as in PyTorch.
  package static let noTag: Int32 = -100

  /// No rows.
  init(_ task: ShardTask) { self.task = task }

  /// - Precondition: The task has floats.
  package init(_ task: ShardTask, _ floats: [Float]) {
    precondition(task.hasFloatLabels, "\(task.rawValue) has integers")
    self.task = task
    self.floats = floats
  }

  /// - Precondition: The task has integers.
  package init(_ task: ShardTask, _ integers: [Int32]) {
    precondition(!task.hasFloatLabels, "\(task.rawValue) has floats")
    self.task = task
    self.integers = integers
  }

  package var count: Int { floats.count + integers.count }

  /// Appends the labels of row `s`, whose tokens are `tokens`, of others of the same task.
  mutating func append(_ s: Int, tokens: Range<Int>, of other: RowLabels, labelCount: Int) {
    let width = task.labelShape(labelCount: labelCount).reduce(1, *)
    let range = task.labelsTokens ? tokens : s * width..<(s + 1) * width
    if task.hasFloatLabels {
      floats += other.floats[range]
    } else {
      integers += other.integers[range]
    }
  }

  /// Appends all rows of others of the same task.
  mutating func append(_ other: RowLabels) {
    floats += other.floats
    integers += other.integers
  }

  /// Refuses what the task's loss cannot take.
  ///
  /// - Parameters:
  ///   - lengths: [S] Tokens of the rows.
  ///   - place: The dataset.
  /// - Throws: `ShardsError` naming the place and the first wrong value.
  func check(labelCount: Int, lengths: [Int], _ place: String) throws {
    func require(_ expected: String, _ wrong: (some Any)?) throws {
      guard let wrong else { return }
      throw ShardsError(
        place: place, expected: expected, found: "\(wrong)", remedy: "write the shards again")
    }
    switch task {
    case .multiLabel:
      try require("finite labels from 0 to 1", floats.first { !(0...1).contains($0) })
    case .multiClass:
      try require(
        "classes from 0 to \(labelCount - 1)",
        integers.first { !(0..<Int32(labelCount)).contains($0) })
    case .regression: try require("finite values", floats.first { !$0.isFinite })
    case .tokenClassification:
      try require(
        "tags from 0 to \(labelCount - 1), or \(Self.noTag)",
        integers.first { $0 != Self.noTag && !(0..<Int32(labelCount)).contains($0) })
    case .questionAnswering:
      let wrong = lengths.indices.first { s in
        let (start, end) = (integers[2 * s], integers[2 * s + 1])
        return start < 0 || end < start || Int(end) >= lengths[s]
      }
      try require(
        "a first and a last token within the row",
        wrong.map { "\(integers[2 * $0]) and \(integers[2 * $0 + 1])" })
    case .pretraining: try require("0 or 1", integers.first { $0 != 0 && $0 != 1 })
    }
  }
}

extension ShardTask {
  /// Values a row of the dataset `labels` has, or a token where tokens are labelled.
  func labelShape(labelCount: Int) -> [Int] {
    switch self {
    case .multiLabel: [labelCount]
    case .multiClass, .regression, .tokenClassification, .pretraining: []
    case .questionAnswering: [2]
    }
  }

  /// Whether the values are float32; else they are int32.
  var hasFloatLabels: Bool { self == .multiLabel || self == .regression }
  /// Whether there is a label for each token rather than for each row.
  var labelsTokens: Bool { self == .tokenClassification }
  /// Whether label names say what the values mean.
  package var hasLabelNames: Bool { self != .questionAnswering && self != .pretraining }
}
