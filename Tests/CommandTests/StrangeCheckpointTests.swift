import Foundation
import Manifests
import Testing

/// A stranger's checkpoint whose manifest fits its files, so that it verifies.
@Suite struct StrangeCheckpointTests {
  static let edits: [(file: String, from: String, to: String, parts: [String])] = [
    ("trainer_state.json", #""global_step" : 2"#, #""global_step" : -2"#, ["global_step"]),
    ("trainer_state.json", #""micro_batches" : 1"#, #""micro_batches" : 3"#, ["power of two"]),
    ("trainer_state.json", #""micro_batches" : 1"#, #""micro_batches" : 0"#, ["micro_batches"]),
    ("trainer_state.json", #""metrics_bytes" : "#, #""metrics_bytes" : -"#, ["metrics_bytes"]),
    ("trainer_state.json", #""batch_size" : 6"#, #""batch_size" : 0"#, ["batch_size"]),
    ("trainer_state.json", #""step" : 2"#, #""step" : -2"#, ["cursor.step"]),
    ("trainer_state.json", #""step" : 2"#, #""step" : 4"#, ["cursor.step", "below 4"]),
    ("trainer_state.json", #""epoch" : 0"#, #""epoch" : -1"#, ["epoch"]),
    ("trainer_state.json", #""seed" : 42"#, #""seed" : 42, "seed" : 43"#, ["`seed` again"]),
    ("config.json", #""hidden_size" : 24"#, #""hidden_size" : 48"#, ["safetensors", "shape"]),
    ("config.json", #"_heads" : 4"#, #"_heads" : 0"#, ["config.json: num_attention_heads"]),
  ]

  @Test("a resealed checkpoint that makes no sense is refused by file and key, and nothing traps")
  func refusesNonsense() throws {
    let job = try TinyJob(rows: 24)
    let first = try Program.run(
      job.arguments(output: "run", "--max-steps", "2", "--micro-batches", "1"))
    #expect(first.status == 0, "\(first.errors)")
    let path = job.folder.path + "/run/checkpoint-2"
    let resume = job.arguments(output: "again", "--max-steps", "3", "--resume", path)
    for (file, from, to, parts) in Self.edits {
      let url = URL(fileURLWithPath: "\(path)/\(file)")
      let original = try String(contentsOf: url, encoding: .utf8)
      let spoiled = original.replacing(from, with: to, maxReplacements: 1)
      #expect(spoiled != original, "\(file) has no \(from)")
      try Data(spoiled.utf8).write(to: url)
      try reseal(path, file)
      #expect(try Program.run(["verify", path]).status == 0, "\(to)")
      let result = try Program.run(resume, seconds: 60)
      #expect(result.status == 65, "\(to): \(result.errors)")
      for part in parts {
        #expect(result.errors.contains(part), "\(part) is not in: \(result.errors)")
      }
      #expect(!result.errors.contains("Fatal error"), "\(result.errors)")
      try Data(original.utf8).write(to: url)
      try reseal(path, file)
    }
    let mended = try Program.run(resume)
    #expect(mended.status == 0, "\(mended.errors)")
  }

  /// Makes the manifest agree with a file that was edited.
  private func reseal(_ folder: String, _ file: String) throws {
    let url = URL(fileURLWithPath: folder + "/manifest.json")
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    var manifest = try #require(json as? [String: Any])
    let records = try #require(manifest["files"] as? [[String: Any]])
    let content = Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file)")))
    manifest["files"] = records.map { record in
      guard record["name"] as? String == file else { return record }
      return record.merging(["bytes": content.count, "sha256": sha256(of: content)]) { $1 }
    }
    let text = try JSONSerialization.data(withJSONObject: manifest)
    try text.write(to: url)
    try Data("\(sha256(of: Array(text)))  manifest.json\n".utf8)
      .write(to: URL(fileURLWithPath: folder + "/manifest.sha256"))
  }
}
