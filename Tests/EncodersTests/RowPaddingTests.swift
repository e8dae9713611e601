import Encoders
import Foundation
import Testing

@Suite struct RowPaddingTests {
  private static func canine() throws -> ModelConfiguration {
    let json = """
      {"model_type": "canine", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 8, "max_position_embeddings": 30, "num_hash_functions": 2,
       "num_hash_buckets": 40, "downsampling_rate": 4, "pad_token_id": 7}
      """
    return try ModelConfiguration(json: Data(json.utf8), path: "config.json")
  }

  @Test("rows are rounded up to the downsampling rate with the padding character")
  func roundsUp() throws {
    let batch = try Self.canine().batch(
      inputIDs: [1, 2, 3, 4, 5, 6, 8, 9, 10, 11], typeIDs: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      cumulativeLengths: [0, 1, 5, 10], rows: [3, 4, 5])
    #expect(batch.inputIDs == [1, 7, 7, 7, 2, 3, 4, 5, 6, 8, 9, 10, 11, 7, 7, 7])
    #expect(batch.typeIDs == [1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    #expect(batch.cumulativeLengths == [0, 4, 8, 16])
    #expect(batch.keyCounts == [1, 4, 5])
    let tags = Array(0..<Int32(10))
    let padded = batch.withPadding(tags, of: -100)
    #expect(padded == [0, -100, -100, -100, 1, 2, 3, 4, 5, 6, 7, 8, 9, -100, -100, -100])
    #expect(batch.withoutPadding(padded) == tags)
    #expect(
      batch.withoutPadding(padded.flatMap { [$0, -$0] }, columns: 2) == tags.flatMap { [$0, -$0] })
  }

  @Test("rows of other families stay as they are")
  func leavesOthers() {
    let bert = ModelConfiguration(
      vocabularySize: 50, hiddenSize: 8, layerCount: 1, headCount: 2, intermediateSize: 8,
      labelNames: ["a"])
    let batch = bert.batch(inputIDs: [1, 2, 3], cumulativeLengths: [0, 1, 3], rows: [0, 1])
    #expect(batch.cumulativeLengths == [0, 1, 3])
    #expect(batch.keyCounts == nil)
    #expect(batch.withPadding([4, 5, 6], of: 0) == [4, 5, 6])
    #expect(batch.withoutPadding([4, 5, 6]) == [4, 5, 6])
  }

  @Test("rows are as long as the padded ones have positions, and empty ones are refused by name")
  func limits() throws {
    let canine = try Self.canine()
    #expect(canine.maxTokens == 28)
    func check(_ lengths: [Int]) throws {
      let bounds = lengths.reduce(into: [Int32(0)]) { $0.append($0[$0.count - 1] + Int32($1)) }
      let batch = canine.batch(
        inputIDs: [Int32](repeating: 5, count: lengths.reduce(0, +)), cumulativeLengths: bounds,
        rows: (0..<UInt32(lengths.count)).map { $0 + 5 })
      try batch.check(against: canine)
    }
    #expect(throws: Never.self) { try check([28, 1, 26]) }
    for lengths in [[3, 29], [3, 0]] {
      let error = #expect(throws: EncoderError.self) { try check(lengths) }
      #expect(error?.place == "row 6")
    }
  }

  @Test(
    "sizes that no weights of CANINE can have are refused by key",
    arguments: [
      ("num_hash_functions", "3"), ("num_hash_functions", "17"), ("downsampling_rate", "0"),
      ("downsampling_rate", "31"), ("upsampling_kernel_size", "0"),
      ("local_transformer_stride", "0"), ("pad_token_id", "-1"), ("num_hash_buckets", "3"),
    ])
  func refusesSizes(key: String, value: String) throws {
    let json = """
      {"model_type": "canine", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
       "intermediate_size": 8, "max_position_embeddings": 30, "num_hash_functions": 2,
       "num_hash_buckets": 40, "downsampling_rate": 4}
      """
    var object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    object[key] = Int(value)
    let data = try JSONSerialization.data(withJSONObject: object)
    let error = #expect(throws: EncoderError.self) {
      try ModelConfiguration(json: data, path: "config.json")
    }
    let named = error.map { "\($0)" } ?? ""
    #expect(
      named.contains(key) || named.contains("hidden_size") || named.contains("max_position"))
  }
}
