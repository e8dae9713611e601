import Foundation
import Testing

/// Which families of models can be pre-trained.
@Suite struct PretrainedFamilyTests {
  let folder: TemporaryFolder
  let model: String
  let shards: String

  init() throws {
    folder = try TemporaryFolder()
    model = folder.path + "/model"
    shards = folder.path + "/shards"
    try TinyModel.write(to: model)
    let documents = try folder.write(
      "documents.txt", "the cat is in\nit is so\n\nmy dog is on\nso it is\n")
    let result = try Program.run([
      "shard", documents, "--task", "pretraining", "--model", model, "--max-length", "16",
      "--output", shards,
    ])
    #expect(result.status == 0, "\(result.errors)")
    // Whoever reads weights fails for another reason.
    try FileManager.default.removeItem(atPath: model + "/model.safetensors")
  }

  private func write(modelType: String) throws {
    let path = URL(fileURLWithPath: model + "/config.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    let changed = text.replacing(
      #""model_type" : "bert""#, with: #""model_type" : "\#(modelType)""#)
    #expect(changed != text)
    try Data(changed.utf8).write(to: path)
  }

  private func train(_ more: [String] = []) throws -> Program.Result {
    try Program.run(
      [
        "train", "--model", model, "--train", shards, "--validation", shards, "--output",
        folder.path + "/run", "--epochs", "1",
      ] + more)
  }

  @Test(
    "pre-training a family without a head for it is refused before its weights are read",
    arguments: ["roberta", "mpnet"])
  func refusesFamilies(modelType: String) throws {
    try write(modelType: modelType)
    for flags in [[], ["--initial-weights", "random"]] {
      let result = try train(flags)
      #expect(result.status == 65, "\(flags): \(result.errors)")
      #expect(result.errors.contains("model/config.json: model_type"), "\(result.errors)")
      #expect(result.errors.contains("expected bert"), "\(result.errors)")
      #expect(result.errors.contains("found \(modelType)"), "\(result.errors)")
    }
  }

  @Test("a size is BERT's, and refused beside the configuration of another family")
  func refusesSizes() throws {
    try write(modelType: "roberta")
    let result = try train(["--size", "tiny"])
    #expect(result.status == 64, "\(result.errors)")
    #expect(result.errors.contains("--size"), "\(result.errors)")
    #expect(result.errors.contains("found roberta"), "\(result.errors)")
    #expect(result.errors.contains("--initial-weights random"), "\(result.errors)")
  }

  @Test("a tokenizer alone is enough for a size")
  func sizeNeedsNoConfiguration() throws {
    try FileManager.default.removeItem(atPath: model + "/config.json")
    let result = try train(["--size", "tiny"])
    #expect(result.status == 0, "\(result.errors)")
    let inspected = try Program.run(["inspect", folder.path + "/run/best"])
    #expect(inspected.output.contains("bert, 2 layers, 128 wide"), "\(inspected.output)")
  }

  @Test("inspect calls a model by its model_type")
  func inspectNamesTheFamily() throws {
    try write(modelType: "roberta")
    let text = try Program.run(["inspect", model])
    #expect(text.output.contains("roberta, 2 layers, 24 wide"), "\(text.output)\(text.errors)")
    let json = try Program.run(["inspect", model, "--format", "json"])
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
    #expect((object as? [String: Any])?["model_type"] as? String == "roberta", "\(json.output)")
  }
}
