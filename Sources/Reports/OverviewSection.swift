// What each run came to, side by side.
extension Report {
  func overviewSection() -> Section {
    Section(id: "overview", title: "Overview") { section in
      section.element("div", ["class": hasSeveral ? "cards" : "cards one"]) { cards in
        for run in runs.indices { writeCard(run, to: &cards) }
      }
      writeNotes(to: &section)
    }
  }

  private func writeCard(_ run: Int, to markup: inout Markup) {
    let history = runs[run]
    markup.element("article", ["class": "card"]) { card in
      card.element("h3") { heading in
        if hasSeveral { Self.writeSwatch(run, to: &heading) }
        heading.text(names[run])
      }
      card.element("p", ["class": "state"]) { line in
        line.element("span", ["class": "badge \(history.stateClass)"], text: history.stateText)
        if run == bestRun {
          line.element("span", ["class": "badge best"], text: "★ best of these runs")
        }
      }
      card.element("dl") { list in
        for (name, value) in history.facts {
          list.element("div") { pair in
            pair.element("dt", text: name)
            pair.element("dd", text: value)
          }
        }
      }
      card.element("p", ["class": "path"], text: history.path)
    }
  }

  private func writeNotes(to section: inout Markup) {
    for (run, history) in runs.enumerated() {
      for note in history.notes {
        section.element(
          "p", ["class": "note", "role": "note"],
          text: hasSeveral ? "\(names[run]): \(note)" : note)
      }
    }
  }
}

extension RunHistory {
  var stateClass: String {
    switch state {
    case .running: "running"
    case .finished: "finished"
    case .stopped: "stopped"
    }
  }

  var stateText: String {
    switch state {
    case .running(let holder): holder.isEmpty ? "running" : "running (\(holder))"
    case .finished(let early): early ? "stopped early by --patience" : "finished"
    case .stopped: "not finished: the same command goes on"
    }
  }

  fileprivate var facts: [(String, String)] {
    let best = bestEvaluation
    var facts = [
      (
        "best \(metric)",
        best.map { "\(fixed($0.score(metric), 4)) at step \(grouped($0.step))" } ?? "none yet"
      ),
      ("validation loss there", fixed(best?.score("loss"), 4)),
      ("last training loss", fixed(evaluations.last?.trainLoss ?? loss.smoothed.last, 4)),
      ("steps", grouped(lastStep) + (totalSteps.map { " of \(grouped($0))" } ?? "")),
      ("epochs", fixed(lastEpoch, 2)),
    ]
    if timing.seconds > 0 {
      facts.append(("tokens a second", grouped(Double(timing.tokens) / timing.seconds)))
      facts.append(("time in steps", durationText(timing.seconds)))
    } else if let last = evaluations.last?.tokensPerSecond {
      facts.append(("tokens a second", grouped(last)))
    }
    if let ranks = setting("ranks"), let threads = setting("threads") {
      facts.append(("ranks × threads", "\(ranks) × \(threads)"))
    }
    if let memory = evaluations.last?.peakMegabytes {
      facts.append(("memory, the most of a rank", bytesText(memory * 1e6)))
    }
    return facts
  }
}
