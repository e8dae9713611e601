// Evaluations, configuration, hashes and events: the sections that are tables.
extension Report {
  private static let shownRows = 50

  func evaluationSection() -> Section? {
    guard runs.contains(where: { !$0.evaluations.isEmpty }) else { return nil }
    return Section(
      id: "evaluations", title: "Evaluations",
      lead: "★ marks the best one, whose weights are in RUN/best."
    ) { section in
      for run in runs.indices where !runs[run].evaluations.isEmpty {
        evaluationTable(run).write(to: &section)
      }
    }
  }

  private func evaluationTable(_ run: Int) -> Table {
    let history = runs[run]
    let scores = ["loss"] + metricNames.filter { history.evaluations.last?.scores[$0] != nil }
    let shown = shownRows(history.evaluations.count, including: history.best)
    var caption = hasSeveral ? names[run] : "Evaluations"
    if shown.count < history.evaluations.count {
      caption += " (\(shown.count) of \(grouped(history.evaluations.count)))"
    }
    let bestRow = history.best.flatMap { shown.firstIndex(of: $0) }
    return Table(
      caption: caption, isCaptionShown: hasSeveral || shown.count < history.evaluations.count,
      columns: ["step", "epoch", "training loss"]
        + scores.map { $0 == "loss" ? "validation loss" : $0.replacing("_", with: " ") } + [
          "tokens/s", "seconds", "memory",
        ],
      rows: shown.map { index in
        let evaluation = history.evaluations[index]
        return [
          (index == history.best ? "★ " : "") + grouped(evaluation.step),
          fixed(evaluation.epoch, 2), fixed(evaluation.trainLoss, 4),
        ] + scores.map { fixed(evaluation.score($0), 4) } + [
          evaluation.tokensPerSecond.map { grouped($0) } ?? "–",
          fixed(evaluation.seconds, 2),
          evaluation.peakMegabytes.map { bytesText($0 * 1e6) } ?? "–",
        ]
      },
      classes: bestRow.map { [$0: "best"] } ?? [:])
  }

  /// All of a few, else every n-th, the last, and one that has to be there.
  private func shownRows(_ count: Int, including needed: Int?) -> [Int] {
    let stride = max(1, (count + Self.shownRows - 1) / Self.shownRows)
    return (0..<count).filter { $0 % stride == 0 || $0 == count - 1 || $0 == needed }
  }

  func configurationSection() -> Section? {
    var seen: Set<String> = []
    let hashKeys = ["train_sha256", "validation_sha256", "vocabulary_sha256"]
    let keys = runs.flatMap(\.settings).map(\.name)
      .filter { seen.insert($0).inserted && !hashKeys.contains($0) }
    guard !keys.isEmpty else { return nil }
    let texts = keys.map { key in
      runs.map { run in run.settings.first { $0.name == key }?.text ?? "–" }
    }
    let different = keys.indices.filter { Set(texts[$0]).count > 1 }
    let order = different + keys.indices.filter { Set(texts[$0]).count == 1 }
    let lead =
      hasSeveral
      ? "From run.json. What differs comes first and is marked ≠ (\(different.count) of "
        + "\(keys.count))."
      : "From run.json."
    return Section(id: "configuration", title: "Configuration", lead: lead) { section in
      runTable(
        "Configuration", keys: order.map { (different.contains($0) ? "≠ " : "") + keys[$0] },
        texts: order.map { texts[$0] }, different: Set(different.indices)
      ).write(to: &section)
    }
  }

  func hashSection() -> Section? {
    var seen: Set<String> = []
    let names = runs.flatMap(\.hashes).map(\.name).filter { seen.insert($0).inserted }
    guard !names.isEmpty else { return nil }
    let texts = names.map { name in
      runs.map { run in run.hashes.first { $0.name == name }?.sha256 ?? "–" }
    }
    let different = names.indices.filter { Set(texts[$0]).count > 1 }
    return Section(
      id: "hashes", title: "Hashes",
      lead: "SHA-256 of the data's manifests and the vocabulary, from run.json; of the best "
        + "checkpoint, as its manifest lists them; lockstep verify recomputes those."
    ) { section in
      runTable(
        "Hashes", keys: names.indices.map { (different.contains($0) ? "≠ " : "") + names[$0] },
        texts: texts, different: Set(different), isCode: true
      ).write(to: &section)
    }
  }

  /// A column a run.
  private func runTable(
    _ caption: String, keys: [String], texts: [[String]], different: Set<Int>, isCode: Bool = false
  ) -> Table {
    Table(
      caption: caption, isCaptionShown: false,
      columns: [caption == "Hashes" ? "of" : "key"] + (hasSeveral ? names : ["value"]),
      rows: zip(keys, texts).map { [$0] + $1 },
      classes: Dictionary(uniqueKeysWithValues: different.map { ($0, "different") }),
      cell: { _, column, text, cell in
        guard column > 0 else { return cell.text(text) }
        cell.element(isCode ? "code" : "span", ["class": "value"], text: text)
      })
  }

  func eventSection() -> Section? {
    guard runs.contains(where: { !$0.events.isEmpty }) else { return nil }
    return Section(
      id: "events", title: "Saves and resumes",
      lead:
        "A save is written beside the training: \u{201c}stood still\u{201d} is how long that waited for "
        + "it, \u{201c}added\u{201d} by how much it made training longer."
    ) { section in
      for run in runs.indices where !runs[run].events.isEmpty {
        eventTable(run).write(to: &section)
      }
    }
  }

  private func eventTable(_ run: Int) -> Table {
    let events = runs[run].events
    let saves = events.filter { $0.kind == "checkpoint" }
    let shown = shownRows(events.count, including: nil)
    let blocked = saves.reduce(0) { $0 + ($1.blockedSeconds ?? 0) }
    var caption = hasSeveral ? "\(names[run]): " : ""
    caption += "\(grouped(saves.count)) saves, for which training stood still for "
    caption += "\(durationText(blocked)); \(grouped(events.count - saves.count)) resumes"
    if shown.count < events.count { caption += " (\(shown.count) of them shown)" }
    return Table(
      caption: caption,
      columns: ["step", "event", "folder", "size", "written in", "stood still", "added"],
      rows: shown.map { index in
        let event = events[index]
        return [
          grouped(event.step), event.kind == "checkpoint" ? "save" : event.kind, event.path,
          event.bytes.map(bytesText) ?? "–", durationText(event.seconds),
          durationText(event.blockedSeconds), durationText(event.addedSeconds),
        ]
      })
  }
}
