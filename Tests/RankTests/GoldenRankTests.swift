import Foundation
import GoldenFolders
import Testing

extension RankTests {
  @Suite("Golden numbers under mpirun")
  struct GoldenRankTests {
    @Test(
      "ranks together give Hugging Face's losses, logits, gradients and steps in every golden folder",
      arguments: [1, 2])
    func goldenFolders(ranks: Int) throws {
      let run = try RankRun.launch(RankRun.rankChecks, "golden", ranks: ranks, timeout: 600)
      #expect(run.status == 0, "\(run.output)")
      #expect(run.output.contains("checked golden on \(ranks) ranks"))
      print(Self.lines(run, "golden ", "passed over ").joined(separator: "\n"))
    }

    @Test(
      "a reference that one value was changed in fails the check, which names it",
      arguments: ["expected.safetensors", "train.json"])
    func changedReference(file: String) throws {
      let folder = FileManager.default.temporaryDirectory
        .appending(path: "golden-\(UUID().uuidString)")
      defer { try? FileManager.default.removeItem(at: folder) }
      try FileManager.default.copyItem(
        at: URL(filePath: Reference.fixtures + "/golden/bert-multi-label"), to: folder)
      let same = try RankRun.launch(RankRun.rankChecks, "golden", folder.path, ranks: 2)
      #expect(same.status == 0, "\(same.output)")

      let changed = folder.appending(path: file)
      var bytes = try Data(contentsOf: changed)
      let tensor: String
      if file == "train.json" {
        let text = String(decoding: bytes, as: UTF8.self)
        let key = try #require(text.ranges(of: "\"grad_norm\": ").last)
        bytes = Data((text[..<key.upperBound] + "1" + text[key.upperBound...]).utf8)
        tensor = "gradient norm of step 6"
      } else {
        tensor = "grad.classifier.weight"
        let range = try GoldenTensors(changed.path).fileRange(of: tensor)
        // The sign and most of the exponent.
        bytes[range.lowerBound + 3] ^= 0x81
      }
      try bytes.write(to: changed)
      let run = try RankRun.launch(RankRun.rankChecks, "golden", folder.path, ranks: 2)
      #expect(run.status == 1, "\(run.output)")
      #expect(run.output.contains("\(tensor): error"), "\(run.output)")
    }

    private static func lines(_ run: RankRun, _ prefixes: String...) -> [String] {
      run.output.split(separator: "\n").map(String.init)
        .filter { line in prefixes.contains { line.hasPrefix($0) } }
    }
  }
}
