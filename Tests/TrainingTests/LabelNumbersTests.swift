import Foundation
import Testing
import Training

@Suite struct LabelThresholdTests {
  /// Logits whose probabilities are these.
  private func logits(_ probabilities: [Double]) -> [Float] {
    probabilities.map { Float(log($0 / (1 - $0))) }
  }

  private func f1(_ logits: [Float], _ labels: [Float], at threshold: Double) -> Double {
    MultiLabelMetrics(
      logits: logits, labels: labels, labelCount: 1,
      tuned: LabelThresholds(threshold, labelCount: 1)
    ).tuned?.f1 ?? .nan
  }

  @Test("no threshold gives a label a larger F1 than its tuned one", arguments: 0..<40)
  func isBest(seed: Int) {
    var generator = LinearCongruential(state: UInt64(seed))
    let rows = 1 + seed * 3
    // Every other seed has logits in steps, so that many are equal.
    let logits = (0..<rows).map { _ -> Float in
      let value = generator.next(in: -4...4)
      return seed % 2 == 0 ? value : value.rounded()
    }
    let labels = logits.map { $0 + generator.next(in: -3...3) > 0.7 ? Float(1) : 0 }
    let tuned = LabelThresholds(tunedOn: logits, labels: labels, labelCount: 1)
    let found = f1(logits, labels, at: tuned.values[0])
    let probabilities = logits.map { probability(ofLogit: Double($0)) }
    for candidate in probabilities + [0, 0.5, 1] {
      #expect(f1(logits, labels, at: candidate) <= found, "threshold \(candidate)")
    }
  }

  @Test(
    "of equally good cuts the one nearest 0.5 is taken, at 0.5 if it is there, or in the middle")
  func ties() {
    func tuned(_ probabilities: [Double], _ labels: [Float]) -> Double {
      LabelThresholds(tunedOn: logits(probabilities), labels: labels, labelCount: 1).values[0]
    }
    // The cut between 0.3 and 0.7 can be at 0.5.
    #expect(tuned([0.7, 0.3], [1, 0]) == 0.5)
    // Between 0.1 and 0.3 it cannot.
    #expect(abs(tuned([0.3, 0.1, 0.05], [1, 0, 0]) - 0.2) < 1e-6)
    #expect(abs(tuned([0.9, 0.7], [1, 0]) - 0.8) < 1e-6)
    // All rows are predicted: half the lowest probability, unless 0.5 does it.
    #expect(abs(tuned([0.2, 0.1], [1, 1]) - 0.05) < 1e-6)
    #expect(tuned([0.8, 0.6], [1, 1]) == 0.5)
    // Taking the first row (at 0.75) or all four (at 0.1) gives 2/3 alike.
    #expect(abs(tuned([0.9, 0.6, 0.4, 0.2], [1, 0, 0, 1]) - 0.75) < 1e-6)
    // Equal probabilities are not cut.
    #expect(tuned([0.6, 0.6, 0.2], [1, 0, 0]) == 0.5)
  }

  @Test("a label that no row has keeps 0.5")
  func nothingTrue() {
    let tuned = LabelThresholds(
      tunedOn: logits([0.9, 0.2, 0.8, 0.1]), labels: [0, 0, 0, 1], labelCount: 2)
    #expect(tuned.values[0] == 0.5)
    #expect(tuned.values[1] < 0.15)
    #expect(LabelThresholds(tunedOn: [], labels: [], labelCount: 2).values == [0.5, 0.5])
  }

  @Test("metrics have the scores at tuned thresholds beside those at one")
  func tunedMetrics() throws {
    let scores = logits([0.9, 0.4, 0.3, 0.2])
    let labels: [Float] = [1, 1, 1, 0]
    let thresholds = LabelThresholds(tunedOn: scores, labels: labels, labelCount: 2)
    let metrics = MultiLabelMetrics(
      logits: scores, labels: labels, labelCount: 2, tuned: thresholds)
    #expect(metrics.f1 == 0.5 && metrics.accuracy == 0)
    #expect(metrics.tuned?.f1 == 1 && metrics.tuned?.accuracy == 1)
    #expect(metrics.scores.first { $0.name == "f1_macro_tuned" }?.value == 1)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(metrics), as: UTF8.self)
    #expect(text.contains("\"per_label_tuned\":{\"f1\":[1,1]") && text.contains("\"thresholds\":["))
    let plain = MultiLabelMetrics(logits: scores, labels: labels, labelCount: 2)
    let object = try JSONSerialization.jsonObject(with: encoder.encode(plain)) as? [String: Any]
    let keys = try #require(object).keys
    #expect(!keys.contains { $0.contains("tuned") || $0 == "thresholds" }, "\(keys)")
    #expect(plain.plain == metrics.plain)
  }

  @Test("thresholds are written by label and read to the bit")
  func roundTrip() throws {
    let names = ["joy", "a \"quoted\"\n/ näme", "e\u{301}"]
    let thresholds = LabelThresholds(
      tunedOn: logits([0.31, 0.77, 1e-7]), labels: [1, 1, 1], labelCount: 3)
    let bytes = try thresholds.json(labelNames: names)
    #expect(try LabelThresholds(json: bytes, path: "t", labelNames: names) == thresholds)
    #expect(thresholds.values[2] > 0)
    let folder = FileManager.default.temporaryDirectory.path + "/thresholds-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(try LabelThresholds(modelFolder: folder, labelNames: names) == nil)
    try Data(bytes).write(to: URL(fileURLWithPath: folder + "/thresholds.json"))
    #expect(try LabelThresholds(modelFolder: folder, labelNames: names) == thresholds)
    #expect(throws: TrainingError.self) {
      try LabelThresholds(modelFolder: folder, labelNames: ["joy"])
    }
  }

  @Test(
    "files that are not a threshold for each label are refused, naming the file and the label",
    arguments: [
      ("{}", "none for `joy`"), ("{\"joy\":0.5}", "none for `anger`"),
      ("{\"joy\":0.5,\"anger\":0.5,\"fear\":0.1}", "the label `fear`"),
      ("{\"joy\":0.5,\"joy\":0.5,\"anger\":0}", "`joy` again"),
      ("{\"joy\":1.5,\"anger\":0}", "t.json: `joy`: expected 0.0 to 1.0, found 1.5"),
      ("{\"joy\":-0.1,\"anger\":0}", "found -0.1"), ("{\"joy\":\"0.5\",\"anger\":0}", "a number"),
      ("{\"joy\":null,\"anger\":0}", "a number"), ("{\"joy\":1e999,\"anger\":0}", "below"),
      ("[0.5,0.5]", "an object"), ("", "the end of the text"),
      ("{\"joy\":0.5,\"anger\":0} x", "the end of the text"),
      ("{\"joy\":0.5,\"anger\":NaN}", "number"),
    ])
  func refuses(text: String, message: String) {
    let error = #expect(throws: TrainingError.self) {
      try LabelThresholds(json: Array(text.utf8), path: "t.json", labelNames: ["joy", "anger"])
    }
    let description = error.map { "\($0)" } ?? ""
    #expect(description.contains(message), "\(description)")
    #expect(description.hasPrefix("t.json"))
  }
}

@Suite struct PositiveWeightTests {
  @Test("automatic weights are negatives over positives, within bounds, and 1 without positives")
  func automatic() {
    var positives = [0.0, 0, 0, 0]
    PositiveWeights.count([1, 0, 0, 1, 0, 0.5, 0, 1], into: &positives)
    PositiveWeights.count([], into: &positives)
    #expect(positives == [1, 0.5, 0, 2])
    #expect(PositiveWeights.automatic(positives: positives, rows: 2) == [1, 3, 1, 0.01])
    #expect(PositiveWeights.automatic(positives: [1], rows: 1_000_000) == [100])
    #expect(PositiveWeights.automatic(positives: [200], rows: 1000) == [4])
  }

  @Test("weights of a file come in the order of the labels; others are refused by name")
  func file() throws {
    let path = FileManager.default.temporaryDirectory.path + "/weights-\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data("{\"b\": 2, \"a\": 0.25}".utf8).write(to: URL(fileURLWithPath: path))
    #expect(try PositiveWeights.read(path, labelNames: ["a", "b"]) == [0.25, 2])
    let unknown = #expect(throws: TrainingError.self) {
      try PositiveWeights.read(path, labelNames: ["a", "c"])
    }
    #expect(unknown?.place == path && unknown?.found == "the label `b`")
    let missing = #expect(throws: TrainingError.self) {
      try PositiveWeights.read(path + "x", labelNames: ["a", "b"])
    }
    #expect(missing?.place == path + "x" && missing?.kind == .data)
  }
}

/// Numbers that are the same everywhere.
private struct LinearCongruential {
  var state: UInt64

  mutating func next(in range: ClosedRange<Float>) -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let share = Float(state >> 40) / Float(1 << 24)
    return range.lowerBound + share * (range.upperBound - range.lowerBound)
  }
}
