// Precision, recall and F1 of each label, of the best evaluation.
extension Report {
  private static let shownLabels = 60

  func labelSection() -> Section? {
    let names = labelNames
    guard !names.isEmpty else { return nil }
    let shown = Set(names.prefix(Self.shownLabels))
    let steps = runs.enumerated().filter { !$1.detail.labels.isEmpty }.map { index, run in
      (hasSeveral ? "\(self.names[index]): " : "") + "step \(grouped(run.detail.step))"
    }
    var lead =
      "Of the best evaluation (\(steps.joined(separator: ", "))). Support is how often a "
      + "label is true."
    if names.count > shown.count {
      lead += " The \(shown.count) of \(grouped(names.count)) labels with the most support."
    }
    return Section(id: "labels", title: "Labels", lead: lead) { section in
      labelTable(labelOrder.filter(shown.contains)).write(to: &section)
    }
  }

  /// Labels of all runs, those with the most support first.
  private var labelNames: [String] {
    var support: [String: Int] = [:]
    for label in runs.flatMap(\.detail.labels) {
      support[label.name] = max(support[label.name] ?? 0, label.support)
    }
    return support.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
  }

  /// Labels as the runs number them.
  private var labelOrder: [String] {
    var seen: Set<String> = []
    return runs.flatMap(\.detail.labels).map(\.name).filter { seen.insert($0).inserted }
  }

  private func labelTable(_ labels: [String]) -> Table {
    typealias Label = RunHistory.LabelScore
    let scores: [[String: Label]] = runs.map { run in
      Dictionary(run.detail.labels.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }
    let values: [KeyPath<Label, Double>] = [\.precision, \.recall, \.f1]
    let hasThresholds = runs.contains { $0.detail.labels.contains { $0.threshold != nil } }
    return Table(
      caption: "Precision, recall and F1 of each label", isCaptionShown: false,
      columns: ["label", "precision", "recall", "F1", "support"]
        + (hasThresholds ? ["tuned threshold"] : []),
      rows: labels.map { label in
        let found = scores.map { $0[label] }
        func joined(_ text: (Label) -> String) -> String {
          found.map { $0.map(text) ?? "–" }.joined(separator: "\n")
        }
        let support = Set(found.compactMap { $0?.support }).sorted().map(grouped)
        return [label, "", "", "", support.joined(separator: " / ")]
          + (hasThresholds ? [joined { fixed($0.threshold, 2) }] : [])
      },
      cell: { row, column, text, cell in
        guard (1...3).contains(column) else {
          // A run a line, beside its bars.
          let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
          for (run, line) in lines.enumerated() {
            cell.element("span", ["class": column > 4 ? "line run-\(run)" : ""], text: String(line))
          }
          return
        }
        for run in runs.indices {
          let value = scores[run][labels[row]]?[keyPath: values[column - 1]]
          cell.element("span", ["class": "measure run-\(run)"]) { measure in
            Bar.write(value ?? 0, run: run, to: &measure)
            measure.element("span", text: fixed(value, 3))
          }
        }
      })
  }
}
