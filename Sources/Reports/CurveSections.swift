import Foundation

// The sections that are plots, and what the page's script reads out of them.
extension Report {
  func sections() -> [Section] {
    [
      overviewSection(), curveSection(), metricSection(), labelSection(), sweepSection(),
      speedSection(), rankSection(), evaluationSection(), configurationSection(), hashSection(),
      eventSection(),
    ].compactMap { $0 }
  }

  private var allPlots: [Plot] { curvePlots + metricPlots + sweepPlots + throughputPlots }

  private func runName(_ run: Int) -> String? { hasSeveral ? names[run] : nil }

  private func curveSection() -> Section? {
    plotSection(
      "curves", "Training", curvePlots,
      lead:
        "Loss and norm are means around each step; the pale lines behind them are the steps "
        + "themselves. Rings mark the best evaluation.")
  }

  private func metricSection() -> Section? {
    plotSection("metrics", "Validation metrics", metricPlots, lead: nil)
  }

  private func plotSection(
    _ id: String, _ title: String, _ plots: [Plot], lead: String?
  ) -> Section? {
    guard !plots.isEmpty else { return nil }
    return Section(id: id, title: title, lead: lead) { section in
      let size = plots.allSatisfy(\.isSmall) ? "plots small" : "plots"
      section.element("div", ["class": size]) { grid in
        for plot in plots { plot.write(to: &grid) }
      }
    }
  }

  var curvePlots: [Plot] {
    let validation = hasSeveral ? nil : 1
    let loss = Plot(
      id: "loss", title: "Loss", summary: "Loss by step.", xTitle: "step",
      series: smoothed(\.loss, "training")
        + runs.indices.map { evaluationSeries("loss", "validation", run: $0, color: validation) })
    let learningRate = Plot(
      id: "learning-rate", title: "Learning rate", summary: "Learning rate by step.",
      xTitle: "step",
      include: [0],
      series: runs.indices.map { curve(runs[$0].learningRate, "learning rate", run: $0) })
    let gradientNorm = Plot(
      id: "gradient-norm", title: "Gradient norm, before clipping",
      summary: "Norm of the whole gradient by step.", xTitle: "step", include: [0],
      series: smoothed(\.gradientNorm, "gradient norm"))
    return [loss, learningRate, gradientNorm].compactMap(withoutEmptySeries)
  }

  /// What every step had, pale, and in front of it the mean around each.
  private func smoothed(_ values: KeyPath<RunHistory, BucketSeries>, _ label: String)
    -> [Plot.Series]
  {
    runs.indices.map { curve(runs[$0][keyPath: values], "steps", run: $0, style: .faint) }
      + runs.indices.map { run in
        let series = runs[run][keyPath: values]
        return Plot.Series(
          label: label, runName: runName(run), run: run, style: .line,
          points: zip(series.buckets, series.smoothed).map { Plot.Point(x: $0.lastX, y: $1) })
      }
  }

  private func curve(
    _ curve: BucketSeries, _ label: String, run: Int, style: Plot.Style = .line
  ) -> Plot.Series {
    Plot.Series(
      label: label, runName: runName(run), run: run, style: style,
      points: curve.buckets.map { Plot.Point(x: $0.lastX, y: $0.mean) },
      band: curve.width > 1 ? curve.buckets.map { $0.minimum...$0.maximum } : [])
  }

  private func evaluationSeries(
    _ metric: String, _ label: String, run: Int, color: Int? = nil
  ) -> Plot.Series {
    let points = runs[run].evaluations.compactMap { evaluation in
      evaluation.score(metric).map { Plot.Point(x: Double(evaluation.step), y: $0) }
    }
    let best = runs[run].bestEvaluation.flatMap { best in
      best.score(metric).map { Plot.Point(x: Double(best.step), y: $0) }
    }
    return Plot.Series(
      label: label, runName: runName(run), run: run, color: color, style: .marked,
      points: thinned(points), best: best)
  }

  /// Every n-th of many points.
  private func thinned(_ points: [Plot.Point]) -> [Plot.Point] {
    let stride = (points.count + 511) / 512
    return stride <= 1
      ? points
      : points.indices.filter { $0 % stride == 0 || $0 == points.count - 1 }.map { points[$0] }
  }

  private func withoutEmptySeries(_ plot: Plot) -> Plot? {
    var plot = plot
    plot.series.removeAll(where: \.points.isEmpty)
    return plot.series.isEmpty ? nil : plot
  }

  /// The names of all runs' metrics, the one that decides first; but for the loss, which has a plot.
  var metricNames: [String] {
    let names = Set(
      runs.flatMap { run in run.evaluations.last.map { Array($0.scores.keys) } ?? [] })
    let deciding = Set(runs.map(\.metric))
    return names.subtracting(["loss"]).sorted {
      let (first, second) = (deciding.contains($0), deciding.contains($1))
      return first == second ? $0 < $1 : first
    }
  }

  var metricPlots: [Plot] {
    metricNames.compactMap { metric in
      withoutEmptySeries(
        Plot(
          id: "metric-\(metric)", title: metric,
          summary: "\(metric) of the validation rows by step.",
          xTitle: "step", isSmall: true,
          series: runs.indices.map { evaluationSeries(metric, metric, run: $0) }))
    }
  }

  private func sweepSection() -> Section? {
    plotSection(
      "sweep", "Thresholds", sweepPlots,
      lead: "Over all rows and labels, against the probability from which a label counts as "
        + "predicted; of the best evaluation.")
  }

  var sweepPlots: [Plot] {
    typealias Values = KeyPath<RunHistory.Sweep, [Double]>
    let kinds: [(name: String, values: Values)] = [
      ("F1", \.f1), ("precision", \.precision), ("recall", \.recall),
    ]
    func series(_ kind: (name: String, values: Values), run: Int, color: Int?) -> Plot.Series {
      let sweep = runs[run].detail.sweep
      return Plot.Series(
        label: kind.name, runName: runName(run), run: run, color: color, style: .marked,
        points: zip(sweep.thresholds, sweep[keyPath: kind.values]).map {
          Plot.Point(x: $0, y: $1)
        })
    }
    func plot(_ id: String, _ title: String, _ series: [Plot.Series]) -> Plot? {
      withoutEmptySeries(
        Plot(
          id: "sweep-\(id)", title: title, summary: "\(title) by threshold.", xTitle: "threshold",
          isSmall: hasSeveral, hasWholeX: false, include: [0, 1], series: series))
    }
    guard hasSeveral else {
      let all = kinds.enumerated().map { series($1, run: 0, color: $0) }
      return [plot("all", "F1, precision, recall", all)].compactMap { $0 }
    }
    return kinds.compactMap { kind in
      plot(
        kind.name.lowercased(), kind.name, runs.indices.map { series(kind, run: $0, color: nil) })
    }
  }

  /// From timing records, or of runs without them, from evaluations.
  var throughputPlots: [Plot] {
    let series = runs.indices.map { run in
      let timing = runs[run].timing.throughput
      if !timing.isEmpty { return curve(timing, "tokens/s", run: run) }
      return Plot.Series(
        label: "tokens/s", runName: runName(run), run: run, style: .marked,
        points: thinned(
          runs[run].evaluations.compactMap { evaluation in
            evaluation.tokensPerSecond.map { Plot.Point(x: Double(evaluation.step), y: $0) }
          }))
    }
    return [
      Plot(
        id: "throughput", title: "Tokens a second",
        summary: "Tokens a second of training, by step.",
        xTitle: "step", include: [0], series: series)
    ].compactMap(withoutEmptySeries)
  }

  /// What the script shows below the pointer: of every plot its curves' points.
  var readouts: String {
    struct Curve: Encodable {
      let name: String
      let run: Int
      let color: Int
      let x: [Double]
      let y: [Double]
    }
    struct Readout: Encodable {
      let xTitle: String
      let curves: [Curve]
    }
    func rounded(_ value: Double) -> Double { Double(String(format: "%.6g", value)) ?? value }
    var readouts: [String: Readout] = [:]
    for plot in allPlots {
      readouts[plot.id] = Readout(
        xTitle: plot.xTitle,
        curves: plot.series.filter { $0.style != .faint }.map { series in
          Curve(
            name: series.name, run: series.run, color: (series.color ?? series.run) % Palette.count,
            x: series.points.map(\.x), y: series.points.map { rounded($0.y) })
        })
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(readouts)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
