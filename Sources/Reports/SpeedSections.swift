// Where the time went, and how evenly the ranks shared the work.
extension Report {
  private static let shownRanks = 24

  func speedSection() -> Section? {
    let plots = throughputPlots
    let timed = runs.indices.filter { runs[$0].timing.seconds > 0 }
    guard !plots.isEmpty || !timed.isEmpty else { return nil }
    let lead =
      timed.count == runs.count
      ? "Evaluations and saves are not in it."
      : "Runs without timing records have the speed that their evaluations tell, and no phases."
    return Section(id: "speed", title: "Speed", lead: lead) { section in
      section.element("div", ["class": "plots"]) { grid in
        for plot in plots { plot.write(to: &grid) }
      }
      guard !timed.isEmpty else { return }
      section.element("div", ["class": "panel"]) { panel in
        panel.element("h3", text: "Phases of a step, mean of the ranks")
        writePhaseLegend(to: &panel)
        phaseTable(timed).write(to: &panel)
      }
    }
  }

  /// The phases of all runs, in the order of a step.
  private var phaseNames: [String] {
    var seen: Set<String> = []
    return runs.flatMap(\.timing.phases).map(\.name).filter { seen.insert($0).inserted }
  }

  private func writePhaseLegend(to markup: inout Markup) {
    markup.element("ul", ["class": "legend"]) { list in
      for (index, phase) in phaseNames.enumerated() {
        list.element("li") { item in
          item.element("svg", ["width": "12", "height": "12", "aria-hidden": "true"]) {
            $0.empty("rect", ["class": "part phase-\(index % 6)", "width": "12", "height": "12"])
          }
          item.text(phase)
        }
      }
    }
  }

  private func phaseTable(_ timed: [Int]) -> Table {
    func milliseconds(_ run: Int, _ phase: String) -> Double {
      let timing = runs[run].timing
      let phase = timing.phases.first { $0.name == phase }
      let ranks = max(1, phase?.secondsByRank.count ?? 1)
      return 1000 * (phase?.seconds ?? 0) / Double(max(1, timing.steps)) / Double(ranks)
    }
    let names = phaseNames
    let parts = timed.map { run in names.map { milliseconds(run, $0) } }
    let longest = parts.map { $0.reduce(0, +) }.max() ?? 0
    let rows = timed.indices.map { index in
      let sum = parts[index].reduce(0, +)
      return [self.names[timed[index]], ""]
        + parts[index].map { sum > 0 ? "\(fixed($0, 1)) ms\n\(percent($0 / sum))" : "–" }
    }
    return Table(
      caption: "Milliseconds of a step by phase", isCaptionShown: false,
      columns: ["run", ""] + names, rows: rows,
      cell: { row, column, text, cell in
        if column == 1 {
          cell.element("span", ["class": "wide"]) {
            Bar.write(stacked: parts[row], of: longest, height: 16, label: nil, to: &$0)
          }
          return
        }
        if column == 0, hasSeveral { Self.writeSwatch(timed[row], to: &cell) }
        for line in text.split(separator: "\n") {
          cell.element("span", ["class": column == 0 ? "" : "line"], text: String(line))
        }
      })
  }

  func rankSection() -> Section? {
    let known = runs.indices.filter { runs[$0].tokensByRank.count > 0 }
    guard !known.isEmpty else { return nil }
    return Section(
      id: "ranks", title: "Ranks",
      lead:
        "Sums over the run. Exchange has the wait for slower ranks in it: where a rank's is short, "
        + "the others waited for that rank."
    ) { section in
      section.element("div", ["class": "tables"]) { tables in
        for run in known { rankTable(run).write(to: &tables) }
      }
    }
  }

  private func rankTable(_ run: Int) -> Table {
    let history = runs[run]
    let (tokens, rows) = (history.tokensByRank, history.rowsByRank)
    let seconds = history.timing.secondsByRank
    let mean = Double(tokens.reduce(0, +)) / Double(max(1, tokens.count))
    let most = Double(tokens.max() ?? 0)
    let shown = shownRanks(tokens.count, seconds: seconds)
    let longest = seconds.max() ?? 0
    let hasTimes = !seconds.isEmpty
    var caption = hasSeveral ? names[run] : "Work and time of each rank"
    caption += ": the most tokens are \(fixed(mean > 0 ? most / mean : nil, 3)) of the mean"
    if shown.count < tokens.count {
      caption += "; the \(shown.count) slowest of \(grouped(tokens.count)) ranks"
    }
    return Table(
      caption: caption,
      columns: ["rank", "tokens", "rows"] + (hasTimes ? ["time by phase", "seconds"] : []),
      rows: shown.map { rank in
        ["\(rank)", grouped(tokens[rank]), rank < rows.count ? grouped(rows[rank]) : "–"]
          + (hasTimes ? ["", rank < seconds.count ? fixed(seconds[rank], 1) : "–"] : [])
      },
      cell: { row, column, text, cell in
        switch column {
        case 1:
          cell.element("span", ["class": "measure"]) { measure in
            Bar.write(Double(tokens[shown[row]]) / max(1, most), run: run, to: &measure)
            measure.element("span", text: text)
          }
        case 3:
          let parts = history.timing.phases.map { phase in
            shown[row] < phase.secondsByRank.count ? phase.secondsByRank[shown[row]] : 0
          }
          let words = zip(history.timing.phases, parts).map { "\($0.name) \(fixed($1, 1)) s" }
          cell.element("span", ["class": "wide"]) {
            Bar.write(
              stacked: parts, of: longest, height: 12, label: words.joined(separator: ", "), to: &$0
            )
          }
        default: cell.text(text)
        }
      })
  }

  /// All ranks, or of many the ones that waited least, which the others waited for.
  private func shownRanks(_ count: Int, seconds: [Double]) -> [Int] {
    guard count > Self.shownRanks else { return Array(0..<count) }
    func time(_ rank: Int) -> Double { rank < seconds.count ? seconds[rank] : 0 }
    return (0..<count).sorted { time($0) > time($1) }.prefix(Self.shownRanks).sorted()
  }
}
