import Foundation
import Manifests

extension Report {
  /// The whole page: HTML with its style, its script and its data in it.
  package func page() -> String {
    var page = Markup()
    page.markup("<!DOCTYPE html>\n")
    page.element("html", ["lang": "en"]) { html in
      html.element("head") { writeHead(to: &$0) }
      html.lineBreak()
      html.element("body") { body in
        writeHeader(to: &body)
        body.element("main", ["id": "main"]) { main in
          for section in sections() { section.write(to: &main) }
        }
        body.element("p", ["id": "spoken", "class": "hidden", "aria-live": "polite"]) { _ in }
        body.element("script", ["type": "application/json", "id": "data"]) {
          $0.markup(Self.inlined(readouts))
        }
        body.element("script") { $0.markup(Self.script) }
      }
    }
    page.lineBreak()
    return page.html
  }

  private var title: String {
    hasSeveral ? "\(runs.count) training runs" : "Training run \(names.first ?? "")"
  }

  private func writeHead(to head: inout Markup) {
    head.empty("meta", ["charset": "utf-8"])
    head.empty(
      "meta",
      [
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; base-uri 'none'; form-action 'none'; "
          + "style-src '\(Self.policyHash(Self.style))'; "
          + "script-src '\(Self.policyHash(Self.script))'",
      ])
    head.empty("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
    head.empty("meta", ["name": "color-scheme", "content": "light dark"])
    head.element("title", text: "\(title) – lockstep report")
    head.element("style") { $0.markup(Self.style) }
  }

  private func writeHeader(to body: inout Markup) {
    body.element("a", ["class": "skip", "href": "#main"], text: "To the content")
    body.element("header") { header in
      header.element("div", ["class": "bar-line"]) { line in
        line.element("h1", text: title)
        line.element(
          "button", ["id": "theme", "type": "button", "aria-pressed": "false"], text: "Dark")
      }
      header.element("nav", ["aria-label": "Sections"]) { nav in
        for section in sections() {
          nav.element("a", ["href": "#\(section.id)"], text: section.title)
        }
      }
    }
    if hasSeveral {
      body.element("ul", ["class": "runs", "aria-label": "Runs"]) { list in
        for (index, name) in names.enumerated() {
          list.element("li") { item in
            item.element(
              "button",
              [
                "type": "button", "aria-pressed": "true", "data-run": "\(index)",
                "title": "Show or hide \(name) in the plots",
              ]
            ) { button in
              Self.writeSwatch(index, to: &button)
              button.text(name)
            }
          }
        }
      }
    }
    body.lineBreak()
  }

  static func writeSwatch(_ run: Int, to markup: inout Markup) {
    markup.element(
      "svg", ["class": "swatch", "width": "12", "height": "12", "aria-hidden": "true"]
    ) {
      $0.empty(
        "rect",
        ["class": "fill color-\(run % Palette.count)", "width": "12", "height": "12", "rx": "3"])
    }
  }

  /// `sha256-..` of an inline style or script, as a content security policy names it.
  private static func policyHash(_ text: String) -> String {
    let digits = Array(sha256(of: Array(text.utf8)))
    let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(digits[$0...$0 + 1]), radix: 16)
    }
    return "sha256-" + Data(bytes).base64EncodedString()
  }

  /// JSON that no text in it can end the script element of.
  static func inlined(_ json: String) -> String {
    json.replacingOccurrences(of: "<", with: "\\u003c")
  }
}

/// A part of the page with a heading.
struct Section {
  let id: String
  let title: String
  /// A sentence below the heading.
  var lead: String?
  let content: (inout Markup) -> Void

  func write(to markup: inout Markup) {
    markup.element("section", ["id": id, "aria-labelledby": "heading-\(id)"]) { section in
      section.element("h2", ["id": "heading-\(id)"], text: title)
      if let lead { section.element("p", ["class": "lead"], text: lead) }
      content(&section)
    }
    markup.lineBreak()
  }
}
