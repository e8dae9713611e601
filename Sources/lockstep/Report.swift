import ArgumentParser
import Reports

/// `lockstep report RUN...`: a page of what runs did.
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes one HTML page with the curves, scores, speed and settings of runs.",
    discussion: """
      The page needs nothing beside itself: no network, no other file. Several runs are drawn into \
      the same plots, a colour each. A run that is still going on is shown as far as it came. \
      Prints the path of the page; with --format json the numbers instead, and the page only where \
      --output says so.
      """)

  @Argument(help: "Run folders: what --output of lockstep train named.", completion: .directory)
  var runs: [String]
  @Option(
    help: "The page. (default: RUN/report.html; to be given for several runs)",
    completion: .file(extensions: ["html"]))
  var output: String?
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    if runs.count > 1, output == nil, format == .text {
      throw ValidationError(
        "--output: expected the path of a page for \(runs.count) runs, found none")
    }
  }

  func run() throws {
    let report = try Reports.Report(folders: runs)
    if let page = output ?? (format == .text ? "\(report.runs[0].path)/report.html" : nil) {
      try report.writePage(to: page)
      if format == .text { print(page) }
    }
    if format == .json { try printJSON(ReportNumbers(report)) }
  }
}
