import Foundation
import Manifests
import Testing

@testable import Reports

@Suite struct PageTests {
  @Test("markup in names and paths stays text, in the page and in its data")
  func escapes() throws {
    let hostile = "</script><script>alert(1)</script>"
    let folder = try TemporaryRun(
      configuration:
        #"{"model":"<img src=x>","label_names":["</script><script>alert(1)</script>","\"&'"]}"#,
      metrics: Lines.evaluation(1, f1: "0.5"))
    let run = try RunHistory(folder: folder.path)
    let page = Report(runs: [run, run]).page()
    #expect(run.labelNames[0] == hostile)
    #expect(!page.contains(hostile))
    #expect(!page.contains("<img"))
    #expect(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"))
    #expect(page.contains("&quot;&amp;&#39;"))
    #expect(page.components(separatedBy: "<script").count == 3)
    #expect(Report.inlined(#"{"a":"</script>"}"#) == #"{"a":"\u003c/script>"}"#)
    #expect(escaped("a\u{202e}b\u{7}\u{e4}") == "a\\u{202e}b\\u{7}\u{e4}")
  }

  @Test("the page names no other file and allows no other script")
  func standsAlone() throws {
    let folder = try TemporaryRun(metrics: Lines.step(1) + Lines.evaluation(1, f1: "0.5"))
    let page = Report(runs: [try RunHistory(folder: folder.path)]).page()
    for reference in ["src=", "url(", "@import", "href=\"http", " style=\"", " onclick="] {
      #expect(!page.contains(reference), "\(reference)")
    }
    #expect(page.contains("default-src &#39;none&#39;"))
    #expect(page.contains("script-src &#39;sha256-"))
  }

  @Test("runs are called by as much of their paths as tells them apart")
  func namesRuns() {
    #expect(Report.names(of: ["runs/a", "runs/b"]) == ["a", "b"])
    #expect(Report.names(of: ["/x/a/run", "/x/b/run"]) == ["a/run", "b/run"])
    #expect(Report.names(of: ["run"]) == ["run"])
    #expect(Report.names(of: ["run", "run"]) == ["run (1)", "run (2)"])
    #expect(Report.names(of: ["."]) == [". (1)"])
  }

  @Test("an axis has a few round ticks within its range, whole ones for steps")
  func ticks() {
    let spans: [(Double, Double)] = [
      (0, 1), (0.1, 0.35), (1, 416), (1, 1_000_000), (-3e-5, 2e-4), (5, 5), (0, 0), (1e9, 1e9 + 3),
    ]
    for (low, high) in spans {
      for count in 3...5 {
        let scale = Scale([low, high], tickCount: count)
        #expect((2...count + 1).contains(scale.ticks.count), "\(low)...\(high): \(scale.ticks)")
        #expect(scale.ticks.allSatisfy { scale.place($0) >= 0 && scale.place($0) <= 1 })
        let whole = Scale([low, high], tickCount: count, isWhole: true).ticks
        #expect(whole.allSatisfy { $0 == $0.rounded() })
      }
    }
    #expect(Scale([1, 416], tickCount: 5, isWhole: true).ticks == [100, 200, 300, 400])
  }

  @Test("a spike does not flatten a curve; a curve without one is shown whole")
  func robustScale() {
    let calm = (0..<100).map { Double($0) / 100 }
    #expect(Scale.robust(calm + [1000]).last.map { $0 < 2 } == true)
    #expect(Scale.robust(calm).last == 0.99)
    #expect(Scale.robust([1, 50]) == [1, 50])
  }

  @Test("a point beyond the scale counts once, and one of many that a bucket stands for counts too")
  func outliers() throws {
    for (steps, count) in [(104, 1), (4000, 1)] {
      let lines = (1...steps).map {
        Lines.step($0, loss: $0 == steps / 2 ? 90 : 0.5 + 1e-3 * Double($0 % 9))
      }
      let folder = try TemporaryRun(metrics: lines.joined())
      let page = Report(runs: [try RunHistory(folder: folder.path)]).page()
      #expect(page.contains("\(count) points lie beyond"), "\(steps) steps")
    }
  }

  @Test("runs side by side: thresholds stay with their run, and only like is compared with like")
  func sideBySide() throws {
    let hash = #""metric":"f1","task":"multi-label","validation_sha256""#
    let first = try TemporaryRun(
      configuration: #"{\#(hash):"a","label_names":["joy","anger"]}"#,
      metrics: Lines.evaluation(1, f1: "0.5"))
    let second = try TemporaryRun(
      configuration: #"{\#(hash):"a","label_names":["joy","fear"]}"#,
      metrics: Lines.evaluation(1, f1: "0.75"))
    let other = try TemporaryRun(
      configuration: #"{\#(hash):"b","label_names":["joy","fear"]}"#,
      metrics: Lines.evaluation(1, f1: "0.75"))
    let alike = try Report(folders: [first.path, second.path])
    #expect(alike.bestRun == 1)
    #expect(
      alike.page().contains(
        #"<span class="line run-0">–</span><span class="line run-1">0.50</span>"#))
    #expect(try Report(folders: [first.path, other.path]).bestRun == nil)
  }

  @Test("numbers are short and keep their size")
  func numbers() {
    #expect(significant(0.349912, 4) == "0.3499")
    #expect(significant(5e-5) == "5e-5")
    #expect(significant(12_345) == "12345")
    #expect(short(250_000) == "250k")
    #expect(short(1_500_000) == "1.5M")
    #expect(grouped(1_234_567) == "1,234,567")
    #expect(grouped(-999) == "-999")
    #expect(durationText(245) == "4 min 05 s")
    #expect(durationText(nil) == "–")
    #expect(bytesText(272_700_000) == "273 MB")
    #expect(coordinate(99.96) == "100")
  }

  @Test("an output that cannot be written is an error with its path")
  func unwritable() throws {
    let folder = try TemporaryRun(metrics: Lines.step(1))
    let report = try Report(folders: [folder.path])
    let missing = #expect(throws: ReportError.self) {
      try report.writePage(to: folder.path + "/none/page.html")
    }
    #expect(missing?.place == folder.path + "/none/page.html")
    #expect(missing?.found == "no folder \(folder.path)/none")
    // A folder cannot be replaced by a page.
    try FileManager.default.createDirectory(
      atPath: folder.path + "/taken/inner", withIntermediateDirectories: true)
    let taken = #expect(throws: ManifestError.self) {
      try report.writePage(to: folder.path + "/taken")
    }
    #expect(taken?.place == folder.path + "/taken")
    try report.writePage(to: folder.path + "/page.html")
    #expect(
      try String(contentsOfFile: folder.path + "/page.html", encoding: .utf8) == report.page())
  }
}
