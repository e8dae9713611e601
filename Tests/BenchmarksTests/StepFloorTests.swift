import Encoders
import Foundation
import Testing
import Training

@testable import Benchmarks

@Suite struct StepFloorTests {
  @Test("a MiniLM step of 219 tokens has 14.2 GFLOP and touches 11 M parameters")
  func countsMiniLM() throws {
    let model = try BenchmarkModel("minilm").configuration
    let floor = StepFloor(
      model, lengths: [27, 27, 27, 27, 27, 27, 27, 30], distinctTokens: 150)
    #expect(abs(floor.floatingPointOperations / 1e9 - 14.2) < 0.1)
    #expect(abs(floor.touchedParameters / 1e6 - 11.05) < 0.05)
    #expect(floor.optimizerBytes == 32 * floor.touchedParameters)
  }

  @Test("its time is that of the products and that of the optimizer, one after the other")
  func addsUp() throws {
    let model = ModelConfiguration(
      vocabularySize: 10, hiddenSize: 4, layerCount: 2, headCount: 2, intermediateSize: 8,
      maxPositions: 16, labelNames: ["a"])
    // Layer: 4 · 16 + 2 · 32 = 128 weights; head: 16 + 4.
    let floor = StepFloor(model, lengths: [3, 2], distinctTokens: 10)
    #expect(
      floor.floatingPointOperations
        == Double(6 * (5 * 2 * 128 + 2 * 20) + 12 * 4 * 2 * (9 + 4)))
    var ceilings = MachineCeilings(gflops: 1e-9, gigabytesPerSecond: 1e-9)
    #expect(floor.seconds(ceilings) == floor.floatingPointOperations + floor.optimizerBytes)
    ceilings.gflops = 2e-9
    #expect(floor.seconds(ceilings) == floor.floatingPointOperations / 2 + floor.optimizerBytes)
  }

  @Test("layers on molecules count these, and models without words touch all parameters")
  func countsMolecules() throws {
    let json = """
      {"model_type": "canine", "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2,
       "intermediate_size": 8, "max_position_embeddings": 16, "num_hash_functions": 2,
       "num_hash_buckets": 16, "num_labels": 1}
      """
    let model = try ModelConfiguration(json: Data(json.utf8), path: "config.json")
    let floor = StepFloor(model, lengths: [9, 2], distinctTokens: 5)
    // Twelve and four characters, three molecules and one; the convolution has 4 weights of 4 x 4.
    #expect(
      floor.floatingPointOperations
        == Double(6 * (4 * 2 * 128 + 16 * 128 + 4 * 64 + 2 * 20) + 12 * 4 * 2 * (9 + 1)))
    #expect(floor.touchedParameters == Double(EncoderModel(model).layout.count))
  }

  @Test("percentiles lie between neighbours in proportion")
  func findsPercentiles() {
    let times = Timings([4, 1, 3, 2])
    #expect(times.best == 1)
    #expect(times.median == 2.5)
    #expect(times.mean == 2.5)
    #expect(times.percentile(100) == 4)
    #expect(abs(times.percentile(10) - 1.3) < 1e-12)
  }
}
