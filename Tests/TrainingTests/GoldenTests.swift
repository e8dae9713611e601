import Checkpoints
import Encoders
import Foundation
import GoldenFolders
import Kernels
import Testing
import Training

/// Every case folder of GOLDEN_DIR, of shared/golden, or of the fixtures, on one rank: Tests/RankTests
/// checks them on several.
@Suite struct GoldenTests {
  @Test("losses, logits, gradients and six AdamW steps match Hugging Face's in every golden folder")
  func matchesGoldenFolders() throws {
    var checked = 0
    for path in try GoldenFolder.paths() {
      guard let folder = try GoldenFolder.ifSupported(path) else { continue }
      let comparison = try Self.check(folder)
      let name = URL(fileURLWithPath: path).lastPathComponent
      print("checked \(name) worst \(comparison.worstLine)")
      #expect(comparison.failures.isEmpty, "\(name): \(comparison.failures)")
      checked += 1
    }
    #expect(checked > 0, "\(GoldenFolder.directory) holds no case that is supported")
  }

  private static func check(_ folder: GoldenFolder) throws -> GoldenComparison {
    let labelled = try folder.inputs.labelledBatch(folder.configuration)
    try labelled.batch.check(against: folder.configuration)
    let replica = Replica(folder.configuration, threads: 2)
    try folder.load(into: replica)

    var comparison = GoldenComparison()
    try folder.compareLoss(&comparison, replica.computeWholeGradient(of: [labelled]))
    try folder.compareLogits(&comparison, errors: folder.logitErrors(replica))
    try compareHiddenStates(&comparison, folder)
    try folder.compareGradients(&comparison, replica)
    folder.compareSteps(
      &comparison,
      gradient: { (replica.computeWholeGradient(of: [labelled]), replica.gradientNorm()) },
      update: { step in
        replica.update(0..<replica.model.layout.dense.count, step)
        replica.updateWords(step)
      })
    return comparison
  }

  private static func compareHiddenStates(
    _ comparison: inout GoldenComparison, _ folder: GoldenFolder
  ) throws {
    guard folder.expected.has("last_hidden_state") else { return }
    var configuration = folder.configuration
    let labelled = try folder.inputs.labelledBatch(configuration)
    var batch = labelled.batch
    if configuration.isOfCharacters {
      // Heads of rows do without characters' last states, and with less padding.
      configuration.task = .tokenClassification
      let padded = try PaddedRows(folder.inputs, keepsPadding: true)
      let types = try folder.inputs.tokenTypes
      batch = PackedBatch(
        inputIDs: try folder.inputs.integers("input_ids"), typeIDs: types,
        cumulativeLengths: padded.cumulativeLengths, rows: batch.rows,
        keyCounts: padded.realLengths)
    }
    let padded = try PaddedRows(folder.inputs, keepsPadding: configuration.comparesPadding)
    let model = EncoderModel(configuration)
    let parameters = Arena(count: model.layout.count)
    _ = try loadParameters(
      of: model, from: ModelFolder(path: folder.path), into: parameters.base, initialisingWith: 1)
    let activations = Activations(model, isTraining: false, threads: 2)
    let pool = ThreadPool(threads: 2)
    model.forward(batch, parameters.base, activations, dropout: nil, pool)
    let width = configuration.hiddenSize
    comparison.compare(
      "last_hidden_state", array(activations.lastHiddenState, batch.tokenCount * width),
      padded.packed(try folder.expected.floats("last_hidden_state"), columns: width),
      tolerance: 5e-6)
  }
}

@Suite struct MiniLMGoldenTests {
  private struct Expected: Decodable {
    let loss: Double
    let gradNorm: [String: Double]
  }

  private static let folder = Reference.shared + "/golden-minilm"

  @Test(
    "the real MiniLM encoder gives Hugging Face's loss, logits and gradient norms on 32 tweets",
    .enabled(if: Reference.exists(folder), "shared/golden-minilm is absent"),
    .enabled(if: Reference.miniLM != nil, "the MiniLM weights are absent: launch/fetch-model"))
  func matchesMiniLM() throws {
    let expected = try Reference.decoder.decode(
      Expected.self, from: Data(contentsOf: URL(fileURLWithPath: Self.folder + "/expected.json")))
    let inputs = try GoldenTensors(Self.folder + "/batch.safetensors")
    let folder = try #require(Reference.miniLM)
    var configuration = try ModelConfiguration(modelFolder: folder)
    configuration.labelNames = (0..<11).map { "LABEL_\($0)" }
    let labelled = try inputs.labelledBatch(configuration)
    let replica = Replica(configuration, threads: 2)
    let initialised = try loadParameters(
      of: replica.model, from: ModelFolder(path: folder), into: replica.parameters.base,
      initialisingWith: 1)
    #expect(initialised.allSatisfy { $0.hasPrefix("classifier.") })
    for parameter in replica.model.layout.parameters where parameter.name.hasPrefix("classifier.") {
      let values = try inputs.floats(parameter.name)
      (replica.parameters.base + parameter.offset).update(from: values, count: values.count)
    }

    var comparison = GoldenComparison()
    let loss = replica.computeWholeGradient(of: [labelled])
    comparison.compare("loss", loss, expected.loss, tolerance: 2e-6)
    let evaluator = Evaluator(
      model: replica.model, parameters: replica.parameters, pool: replica.pool)
    comparison.compare(
      "logits", try evaluator.logits(labelled.batch), try inputs.floats("logits"),
      tolerance: 5e-6)
    let globalNorm = norm(Array(expected.gradNorm.values))
    #expect(expected.gradNorm.count == replica.model.layout.parameters.count)
    for parameter in replica.model.layout.parameters {
      let reference = try #require(expected.gradNorm[parameter.name])
      let actual = norm(replica.gradient(of: parameter).map(Double.init))
      comparison.note(
        "grad." + parameter.name,
        error: abs(actual - reference) / (reference + 0.01 * max(1, globalNorm)), tolerance: 1e-5)
    }
    print("checked golden-minilm worst \(comparison.worstLine)")
    #expect(comparison.failures.isEmpty, "\(comparison.failures)")
  }
}
