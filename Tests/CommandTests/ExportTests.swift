import Checkpoints
import Encoders
import Foundation
import Testing

/// A trained model as a folder for others.
@Suite struct ExportTests {
  private struct Exported: Decodable {
    struct File: Decodable {
      let name: String
      let bytes: Int
      let sha256: String
    }
    let model, output, dtype: String
    let tensors, parameters, bytes: Int
    let files: [File]
  }

  private func trainedJob() throws -> TinyJob {
    let job = try TinyJob(rows: 40)
    let result = try Program.run(job.arguments(output: "run", "--epochs", "2"))
    guard result.status == 0 else { throw TinyJob.Failure(result.errors) }
    return job
  }

  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  private func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path))
  }

  @Test("A run's best checkpoint is exported in each type, and predicts as before")
  func exports() throws {
    let job = try trainedJob()
    let run = job.folder.path + "/run"
    let text = "so happy to see you"
    func scores(_ model: String) throws -> [Double] {
      struct Row: Decodable { let scores: [String: Double] }
      let result = try Program.run(["predict", "--model", model, "--format", "jsonl", text])
      #expect(result.status == 0, "\(result.errors)")
      let row = try JSONDecoder().decode(Row.self, from: Data(result.output.utf8))
      return row.scores.sorted { $0.key < $1.key }.map(\.value)
    }
    let expected = try scores(run + "/best")
    for (type, tolerance) in [("float32", 0), ("float16", 1e-3), ("bfloat16", 1e-2)] {
      let output = job.folder.path + "/" + type
      let result = try Program.run([
        "export", "--model", run, "--output", output, "--dtype", type, "--format", "json",
      ])
      #expect(result.status == 0, "\(result.errors)")
      let exported = try JSONDecoder().decode(Exported.self, from: Data(result.output.utf8))
      #expect(
        try names(output) == [
          "README.md", "config.json", "model.safetensors", "thresholds.json",
          "tokenizer_config.json", "vocab.txt",
        ])
      #expect(exported.dtype == type)
      #expect(exported.model.hasPrefix(run + "/checkpoint-"))
      #expect(exported.files.map(\.name).sorted() == (try names(output)))
      #expect(exported.bytes == exported.files.reduce(0) { $0 + $1.bytes })
      let object = try JSONSerialization.jsonObject(with: bytes(output + "/config.json"))
      let keys = try #require(object as? [String: Any])
      #expect(keys["dtype"] as? String == type)
      #expect(keys["torch_dtype"] == nil)
      #expect(keys["problem_type"] as? String == "multi_label_classification")
      let found = try scores(output)
      #expect(found.count == 11)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= tolerance }, "\(type): \(found)")
    }
    #expect(
      try bytes(job.folder.path + "/float32/model.safetensors")
        == bytes(run + "/best/model.safetensors"))
  }

  @Test("Keys of config.json that concern lockstep or a machine are not exported, others are")
  func configuration() throws {
    let job = try trainedJob()
    let model = job.folder.path + "/edited"
    try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: true)
    let best = URL(fileURLWithPath: job.folder.path + "/run/best").resolvingSymlinksInPath().path
    for name in ["model.safetensors", "vocab.txt", "tokenizer_config.json"] {
      try FileManager.default.copyItem(atPath: "\(best)/\(name)", toPath: "\(model)/\(name)")
    }
    let object = try JSONSerialization.jsonObject(with: bytes(best + "/config.json"))
    var keys = try #require(object as? [String: Any])
    keys["lockstep_note"] = [1, 2]
    keys["_name_or_path"] = "/home/somebody/model"
    keys["torch_dtype"] = "float64"
    keys["custom"] = ["kept": true]
    try JSONSerialization.data(withJSONObject: keys)
      .write(to: URL(fileURLWithPath: model + "/config.json"))
    let output = job.folder.path + "/out"
    let arguments = ["export", "--model", model, "--output", output, "--dtype", "bfloat16"]
    let result = try Program.run(arguments)
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.isEmpty)
    let written = try JSONSerialization.jsonObject(with: bytes(output + "/config.json"))
    let found = try #require(written as? [String: Any])
    #expect(found["custom"] as? [String: Bool] == ["kept": true])
    for key in ["lockstep_note", "_name_or_path", "torch_dtype"] { #expect(found[key] == nil) }
    #expect(found["dtype"] as? String == "bfloat16")
    let first = try bytes(output + "/config.json")
    let again = try Program.run(arguments)
    #expect(again.status == 65)
    #expect(again.errors.contains("\(output): expected nothing there yet, found a folder"))
    #expect(try Program.run(arguments + ["--overwrite"]).status == 0)
    #expect(try bytes(output + "/config.json") == first)
    let run = job.folder.path + "/run"
    let onto = try Program.run(
      ["export", "--model", run, "--output", run, "--overwrite"])
    #expect(onto.status == 65)
    #expect(onto.errors.contains("nothing but an earlier export to overwrite"))
    #expect(try names(run).contains("best"))
  }

  @Test(
    "A folder without a head, a run without a best checkpoint, and one of mean pooling are refused")
  func refusals() throws {
    let job = try TinyJob(rows: 40)
    let output = job.folder.path + "/out"
    for (model, message) in [
      (job.model, "tensor classifier.weight"),
      (job.train, "expected a model folder, or a run with a best checkpoint"),
      (job.folder.path + "/none", "found nothing there"),
    ] {
      let result = try Program.run(["export", "--model", model, "--output", output])
      #expect(result.status == 65)
      #expect(result.errors.contains(message), "\(result.errors)")
      #expect(!FileManager.default.fileExists(atPath: output))
    }
    #expect(
      try Program.run(["export", "--model", job.model, "--output", output, "--dtype", "int8"])
        .status == 64)
    // transformers would read another token of the row, and nobody would be told.
    let trained = try Program.run(
      job.arguments(output: "mean", "--max-steps", "1", "--pooling", "mean"))
    #expect(trained.status == 0, "\(trained.errors)")
    let mean = try Program.run(
      ["export", "--model", job.folder.path + "/mean", "--output", output])
    #expect(mean.status == 65)
    #expect(mean.errors.contains("pooling: expected cls, which other programs compute, found mean"))
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test("An export that a signal stops exits with 75 and leaves nothing")
  func interruption() throws {
    let folder = try TemporaryFolder()
    let model = folder.path + "/model"
    try TinyModel.write(to: model)
    // Large enough to be caught at its work.
    let weights = UnsafeMutablePointer<Float>.allocate(capacity: 32 << 20)
    defer { weights.deallocate() }
    weights.initialize(repeating: 0.5, count: 32 << 20)
    let configuration = TinyModel.configuration()
    let layout = EncoderModel(configuration).layout
    var tensors = layout.parameters.map {
      TensorView(name: $0.name, shape: $0.shape, base: weights)
    }
    for index in 0..<2 {
      tensors.append(TensorView(name: "more.\(index)", shape: [32 << 20], base: weights))
    }
    try FileManager.default.removeItem(atPath: model + "/model.safetensors")
    _ = try writeSafetensors(tensors, to: model + "/model.safetensors")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.path)
    process.arguments = ["export", "--model", model, "--output", folder.path + "/out"]
    process.standardError = FileHandle.nullDevice
    // Threads of tests have signals blocked, and a child inherits that.
    var (none, blocked) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &blocked)
    try process.run()
    pthread_sigmask(SIG_SETMASK, &blocked, nil)
    let deadline = Date.now.addingTimeInterval(60)
    while try names(folder.path).count == 1, Date.now < deadline { usleep(1000) }
    #expect(try names(folder.path).contains { $0.hasPrefix(".out.partial-") })
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationStatus == 75)
    #expect(try names(folder.path) == ["model"])
  }
}
