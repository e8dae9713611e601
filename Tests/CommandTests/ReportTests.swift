import Foundation
import Testing

@Suite struct ReportTests {
  private func writeRun(in folder: TemporaryFolder) throws {
    _ = try folder.write("run.json", #"{"total_steps":1,"seed":42}"#)
    _ = try folder.write(
      "metrics.jsonl",
      #"{"event":"step","step":1,"epoch":1,"loss":0.5,"learning_rate":0.1,"grad_norm":1}"# + "\n")
  }

  @Test("a report is written into its run and named; as JSON it is numbers and no page")
  func writesPage() throws {
    let folder = try TemporaryFolder()
    try writeRun(in: folder)
    let json = try Program.run(["report", folder.path, "--format", "json"])
    #expect(json.status == 0, "\(json.errors)")
    #expect(json.output.contains(#""state":"finished""#))
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/report.html"))
    let page = try Program.run(["report", folder.path])
    #expect(page.status == 0, "\(page.errors)")
    #expect(page.output == folder.path + "/report.html\n")
    let html = try String(contentsOfFile: folder.path + "/report.html", encoding: .utf8)
    #expect(html.hasPrefix("<!DOCTYPE html>"))
    #expect(html.contains("id=\"plot-loss\""))
  }

  @Test("a folder that is no run ends with 65, several runs without an output with 64")
  func refuses() throws {
    let folder = try TemporaryFolder()
    let none = try Program.run(["report", folder.path])
    #expect(none.status == 65)
    #expect(none.errors.contains("\(folder.path): expected a run folder"))
    let several = try Program.run(["report", folder.path, folder.path])
    #expect(several.status == 64)
    #expect(several.errors.contains("--output"))
    try writeRun(in: folder)
    let unwritable = try Program.run(["report", folder.path, "--output", "/none/page.html"])
    #expect(unwritable.status == 65)
    #expect(unwritable.errors.contains("/none"))
  }
}
