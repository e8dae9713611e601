/// A table of texts, which scrolls on its own where the screen is narrower.
struct Table {
  let caption: String
  var isCaptionShown = true
  let columns: [String]
  /// [rows][columns] The first of each row is its heading.
  let rows: [[String]]
  /// Classes of rows, by index.
  var classes: [Int: String] = [:]
  /// What is written into a heading, or a cell, in place of its text alone.
  var cell: (_ row: Int, _ column: Int, _ text: String, inout Markup) -> Void = {
    $3.text($2)
  }

  func write(to markup: inout Markup) {
    markup.element(
      "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption]
    ) { box in
      box.element("table") { table in
        table.element("caption", ["class": isCaptionShown ? "" : "hidden"]) {
          // Stays in sight while the table below it scrolls.
          $0.element("span", text: caption)
        }
        table.element("thead") { head in
          head.element("tr") { row in
            for column in columns { row.element("th", ["scope": "col"], text: column) }
          }
        }
        table.element("tbody") { body in
          for (index, texts) in rows.enumerated() {
            body.element("tr", ["class": classes[index] ?? ""]) { row in
              for (column, text) in texts.enumerated() {
                if column == 0 {
                  row.element("th", ["scope": "row"]) { cell(index, column, text, &$0) }
                } else {
                  row.element("td") { cell(index, column, text, &$0) }
                }
              }
            }
            body.lineBreak()
          }
        }
      }
    }
  }
}

/// Bars within cells and lines.
enum Bar {
  /// A bar for a share of 1, in the colour of a run.
  static func write(_ share: Double, run: Int, to markup: inout Markup) {
    markup.element(
      "svg", ["class": "bar run-\(run)", "width": "100%", "height": "9", "aria-hidden": "true"]
    ) { svg in
      svg.empty("rect", ["class": "track", "width": "100%", "height": "9"])
      svg.empty(
        "rect",
        [
          "class": "fill color-\(run % Palette.count)", "height": "9",
          "width": coordinate(100 * min(1, max(0, share))) + "%",
        ])
    }
  }

  /// Parts of a whole beside each other.
  ///
  /// - Parameters:
  ///   - parts: shares of `scale`.
  ///   - label: what the bar says, for those who cannot see it; nil where numbers stand beside it.
  static func write(
    stacked parts: [Double], of scale: Double, height: Int, label: String?, to markup: inout Markup
  ) {
    let attributes: KeyValuePairs<String, String> =
      label.map {
        ["class": "bar", "width": "100%", "height": "\(height)", "role": "img", "aria-label": $0]
      } ?? ["class": "bar", "width": "100%", "height": "\(height)", "aria-hidden": "true"]
    markup.element("svg", attributes) { svg in
      var start = 0.0
      for (index, part) in parts.enumerated() where scale > 0 {
        let width = 100 * part / scale
        svg.empty(
          "rect",
          [
            "class": "part phase-\(index % 6)", "x": coordinate(start) + "%",
            "width": coordinate(width) + "%", "height": "\(height)",
          ])
        start += width
      }
    }
  }
}
