/// Curves over one axis, drawn as SVG.
///
/// The curves are in a picture of 1,000 by `height` that is stretched to the width there is, with
/// strokes that are not; labels lie beside it at shares of the width, so that they keep their size.
struct Plot {
  struct Point: Equatable {
    let x: Double
    let y: Double
  }

  enum Style: String {
    /// A line; and thin and pale, for values before smoothing.
    case line, faint
    /// A dashed line with a mark at every point, for what is measured now and then.
    case marked
  }

  struct Series {
    /// What the curve is, in the legend.
    let label: String
    /// Of the run, where there are several.
    var runName: String?
    /// Index of the run, which decides the colour unless `color` does.
    let run: Int
    var color: Int?
    let style: Style
    let points: [Point]
    /// The extremes that stand behind each point, drawn as a pale area.
    var band: [ClosedRange<Double>] = []
    /// Where a ring is drawn.
    var best: Point?

    /// What the curve is called where all are together.
    var name: String { runName.map { "\($0): \(label)" } ?? label }
  }

  let id: String
  let title: String
  /// What is on the axes, for those who cannot see them.
  let summary: String
  let xTitle: String
  var isSmall = false
  var hasWholeX = true
  /// Values that the vertical axis has to reach.
  var include: [Double] = []
  var series: [Series]

  private var height: Double { isSmall ? 150 : 240 }

  /// Points beyond the vertical axis, which are drawn at its edge: those of a curve before it is
  /// smoothed, where it is, and such that stand for values of which one is beyond it.
  private var outliers: Int {
    let range = yScale.range
    let unsmoothed = Set(series.filter { $0.style == .faint }.map(\.run))
    return series.reduce(0) { count, one in
      if one.style == .line, unsmoothed.contains(one.run) { return count }
      let spans = one.band.isEmpty ? one.points.map { $0.y...$0.y } : one.band
      return count
        + spans.count {
          $0.lowerBound < range.lowerBound || $0.upperBound > range.upperBound
        }
    }
  }

  private var xScale: Scale {
    Scale(
      series.flatMap { [$0.points.first?.x, $0.points.last?.x].compactMap { $0 } },
      tickCount: isSmall ? 4 : 5, isWhole: hasWholeX)
  }

  private var yScale: Scale {
    let main = series.filter { $0.style != .faint }.flatMap { $0.points.map(\.y) }
    let faint = series.filter { $0.style == .faint }.flatMap { $0.points.map(\.y) }
    return Scale(
      Scale.robust(main) + Scale.robust(faint) + include, padding: 0.06, tickCount: isSmall ? 3 : 5)
  }
}

// Drawing.
extension Plot {
  /// Writes a figure: heading, legend, picture, and the numbers as a table.
  func write(to markup: inout Markup) {
    let (xScale, yScale) = (xScale, yScale)
    markup.element("figure", ["class": isSmall ? "plot small" : "plot", "id": "plot-\(id)"]) {
      figure in
      figure.element("figcaption") { caption in
        caption.element("h3", text: title)
        writeLegend(to: &caption)
      }
      figure.element("div", ["class": "canvas", "tabindex": "0", "data-plot": id]) { canvas in
        canvas.element(
          "svg",
          [
            "role": "img", "height": coordinate(height), "width": "100%",
            "aria-labelledby": "title-\(id)",
          ]
        ) { svg in
          svg.element("title", ["id": "title-\(id)"], text: "\(title). \(summary)")
          writeAxes(xScale, yScale, to: &svg)
          writeCurves(xScale, yScale, to: &svg)
          writeMarks(xScale, yScale, to: &svg)
        }
      }
      if outliers > 0 {
        figure.element(
          "p", ["class": "note"],
          text: "\(outliers) points lie beyond the scale and are drawn at its edge.")
      }
      writeTable(to: &figure)
    }
    markup.lineBreak()
  }

  /// What tells the curves of one colour apart, or without several runs, what they are.
  private func writeLegend(to markup: inout Markup) {
    var seen: Set<String> = []
    let entries = series.filter { $0.style != .faint && seen.insert($0.label).inserted }
    guard entries.count > 1 else { return }
    markup.element("ul", ["class": "legend"]) { list in
      for entry in entries {
        list.element("li") { item in
          item.element(
            "svg",
            ["width": "26", "height": "10", "aria-hidden": "true", "class": colorClass(entry)]
          ) { svg in
            svg.empty(
              "line",
              [
                "x1": "0", "x2": "26", "y1": "5", "y2": "5",
                "class": "curve \(entry.style.rawValue)",
              ])
            if entry.style == .marked {
              svg.empty("circle", ["cx": "13", "cy": "5", "r": "3", "class": "mark"])
            }
          }
          item.text(entry.label)
        }
      }
    }
  }

  private func colorClass(_ series: Series) -> String {
    if let color = series.color { return "color-\(color % Palette.count)" }
    // Where every run has the same curves, the legend's are nobody's.
    return hasSeveralRuns ? "neutral" : "color-\(series.run % Palette.count)"
  }

  private var hasSeveralRuns: Bool { Set(series.map(\.run)).count > 1 }

  private func writeAxes(_ x: Scale, _ y: Scale, to svg: inout Markup) {
    svg.element("g", ["class": "axis", "aria-hidden": "true"]) { axis in
      for tick in y.ticks {
        let at = coordinate(height * (1 - y.place(tick)))
        axis.empty("line", ["x1": "0", "x2": "100%", "y1": at, "y2": at])
        axis.element("text", ["class": "y", "x": "-8", "y": at, "dy": "0.32em"], text: short(tick))
      }
      for tick in x.ticks {
        axis.element(
          "text",
          ["class": "x", "x": "\(coordinate(100 * x.place(tick)))%", "y": coordinate(height + 16)],
          text: short(tick))
      }
      axis.element(
        "text", ["class": "x title", "x": "100%", "y": coordinate(height + 32)], text: xTitle)
    }
  }

  private func writeCurves(_ x: Scale, _ y: Scale, to svg: inout Markup) {
    func path(_ points: some Sequence<(x: Double, y: Double)>) -> String {
      points.map { point in
        coordinate(1000 * x.place(point.x)) + "," + coordinate(height * (1 - y.place(point.y)))
      }.joined(separator: "L")
    }
    svg.element(
      "svg",
      [
        "class": "curves", "width": "100%", "height": coordinate(height),
        "viewBox": "0 0 1000 \(coordinate(height))", "preserveAspectRatio": "none",
        "data-x0": "\(x.range.lowerBound)", "data-x1": "\(x.range.upperBound)",
      ]
    ) { curves in
      for one in series where !one.points.isEmpty {
        let classes = "run-\(one.run) color-\((one.color ?? one.run) % Palette.count)"
        if !one.band.isEmpty {
          let upper = zip(one.points, one.band).map { (x: $0.x, y: $1.upperBound) }
          let lower = zip(one.points, one.band).map { (x: $0.x, y: $1.lowerBound) }
          curves.empty(
            "path",
            ["class": "band \(classes)", "d": "M\(path(upper))L\(path(lower.reversed()))Z"])
        }
        curves.empty(
          "path",
          [
            "class": "curve \(one.style.rawValue) \(classes)",
            "d": "M" + path(one.points.map { (x: $0.x, y: $0.y) }),
          ])
      }
    }
  }

  /// Round at every width, so beside the stretched picture.
  private func writeMarks(_ x: Scale, _ y: Scale, to svg: inout Markup) {
    func circle(_ point: Point, _ radius: String, _ classes: String) {
      svg.empty(
        "circle",
        [
          "class": classes, "cx": "\(coordinate(100 * x.place(point.x)))%",
          "cy": coordinate(height * (1 - y.place(point.y))), "r": radius,
        ])
    }
    for one in series {
      let classes = "run-\(one.run) color-\((one.color ?? one.run) % Palette.count)"
      if one.style == .marked, one.points.count <= 60 {
        for point in one.points { circle(point, isSmall ? "2.5" : "3", "mark \(classes)") }
      } else if one.points.count == 1 {
        circle(one.points[0], "3", "mark \(classes)")
      }
      if let best = one.best { circle(best, isSmall ? "5.5" : "6.5", "ring \(classes)") }
    }
  }

  /// The curves as numbers, of at most some twenty points each.
  private func writeTable(to markup: inout Markup) {
    let shown = series.filter { $0.style != .faint && !$0.points.isEmpty }
    markup.element("details") { details in
      details.element("summary", text: "Numbers")
      for one in shown {
        let stride = max(1, (one.points.count + 19) / 20)
        let picked = one.points.indices.filter {
          $0 % stride == 0 || $0 == one.points.count - 1
        }
        Table(
          caption: one.name, columns: [xTitle, title],
          rows: picked.map { [significant(one.points[$0].x, 7), significant(one.points[$0].y, 5)] }
        ).write(to: &details)
      }
    }
  }
}
