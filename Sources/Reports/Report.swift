import Foundation
import Manifests

/// One or more runs, as a page that needs nothing beside itself, or as numbers.
package struct Report: Sendable {
  package let runs: [RunHistory]
  /// [runs] Short and different.
  package let names: [String]

  /// Reads the folders of runs.
  ///
  /// - Throws: ``ReportError`` and `ManifestError` of the first that cannot be read.
  package init(folders: [String]) throws {
    self.init(runs: try folders.map(RunHistory.init(folder:)))
  }

  init(runs: [RunHistory]) {
    self.runs = runs
    names = Self.names(of: runs.map(\.path))
  }

  var hasSeveral: Bool { runs.count > 1 }
  /// Of all runs where they agree; nil else.
  var metric: String? {
    Set(runs.map(\.metric)).count == 1 ? runs.first?.metric : nil
  }

  /// The index of the run with the best evaluation, where several decide by the same metric of the same
  /// task and rows.
  var bestRun: Int? {
    guard hasSeveral, let metric else { return nil }
    for key in ["task", "validation_sha256"] where Set(runs.map { $0.setting(key) }).count > 1 {
      return nil
    }
    let scores = runs.enumerated().compactMap { index, run in
      run.bestEvaluation?.score(metric).map { (index: index, score: $0) }
    }
    return RunHistory.isError(metric)
      ? scores.min { $0.score < $1.score }?.index : scores.max { $0.score < $1.score }?.index
  }

  /// The last parts of paths, as many as it takes to tell them apart.
  static func names(of paths: [String]) -> [String] {
    let parts = paths.map { $0.split(separator: "/").filter { $0 != "." } }
    for length in 1...max(1, parts.map(\.count).max() ?? 1) {
      let names = parts.map { $0.suffix(length).joined(separator: "/") }
      if Set(names).count == paths.count, !names.contains("") { return names }
    }
    return paths.enumerated().map { "\($1) (\($0 + 1))" }
  }

  /// Replaces the file at `path`, or creates it.
  ///
  /// - Throws: ``ReportError`` for a folder that is not there, `ManifestError` for what cannot be
  ///   written.
  package func writePage(to path: String) throws {
    let (folder, _) = splitPath(path)
    guard isFolder(folder) else {
      throw ReportError(
        place: path, expected: "a page in a folder that is there", found: "no folder \(folder)",
        remedy: "create the folder, or name another --output")
    }
    try replaceFile(path, with: Array(page().utf8))
  }
}
