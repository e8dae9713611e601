import Foundation

/// What a person sees of a run on standard error: the table of evaluations, and between its rows a
/// progress bar on a terminal or a plain line now and then in a log.
package final class ConsoleReport {
  private let isSilent: Bool
  private let screen: ProgressBar.Screen
  private var bar: ProgressBar?
  private var lastLine: Duration
  private var hasHeading = false
  private static let columns = ["Epoch", "Step", "Training Loss", "Validation Loss"]

  /// Time between plain lines where standard error is not a terminal.
  private static let lineInterval = Duration.seconds(10)

  /// - Parameter isSilent: On every rank but 0.
  package convenience init(isSilent: Bool) { self.init(isSilent: isSilent, on: .standardError) }

  init(isSilent: Bool, on screen: ProgressBar.Screen) {
    self.isSilent = isSilent
    self.screen = screen
    lastLine = screen.now()
  }

  /// A line of its own.
  package func say(_ text: String) {
    guard !isSilent else { return }
    clearBar()
    screen.write(text + "\n")
  }

  package func warn(_ text: String) { say("warning: " + text) }

  /// Tells where training stands: step, loss, tokens a second over all ranks, and the time that the
  /// steps that are left take.
  package func step(_ record: StepRecord, of total: Int, _ speed: RecentSpeed) {
    guard !isSilent else { return }
    let note = String(format: "loss %.4f", record.loss)
    let tokens = String(format: "%.0f tokens/s", speed.tokensPerSecond)
    if screen.columns() != nil {
      if bar == nil {
        bar = ProgressBar(
          label: "train", total: total, unit: "steps", startingAt: record.step - 1, on: screen)
      }
      bar?.update(
        record.step, speed: .init(perSecond: speed.stepsPerSecond, text: tokens), note: note)
    } else if screen.now() - lastLine >= Self.lineInterval {
      lastLine = screen.now()
      let left = clock(.seconds(Double(total - record.step) / speed.stepsPerSecond))
      let place = String(format: "step %d/%d  epoch %.2f", record.step, total, record.epoch)
      let rate = String(format: "lr %.2e", record.learningRate)
      say("\(place)  \(note)  \(rate)  \(tokens)  \(left) left")
    }
  }

  package func evaluation(_ record: EvaluationRecord, bestBy metric: BestMetric) {
    let metrics = record.metrics
    let shown = numbers(metrics, with: metric)
    let columns = Self.columns + shown.map { title($0.name) }
    if !hasHeading {
      hasHeading = true
      say(columns.map { pad($0) }.joined(separator: "  "))
    }
    let cells =
      [
        String(format: "%.2f", record.epoch), "\(record.step)",
        String(format: "%.6f", record.trainLoss), String(format: "%.6f", metrics.loss),
      ] + shown.map { $0.value.map { String(format: "%.6f", $0) } ?? "undefined" }
    say(zip(cells, columns).map { pad($0, to: max(8, $1.count)) }.joined(separator: "  "))
  }

  /// What the run leaves behind.
  package func best(path: String, _ metrics: any TaskMetrics, by metric: BestMetric) {
    let shown = numbers(metrics, with: metric) + [("validation loss", metrics.loss)]
    let numbers = shown.map { name, value in
      name + " " + (value.map { String(format: "%.4f", $0) } ?? "undefined")
    }
    say("best: \(numbers.joined(separator: ", ")) at \(path)")
  }

  /// The task's headline, and what decides which checkpoint is the best.
  private func numbers(
    _ metrics: any TaskMetrics, with metric: BestMetric
  ) -> [(name: String, value: Double?)] {
    let name = metric.rawValue
    guard name != "loss", !metrics.headline.contains(where: { $0.name == name }) else {
      return metrics.headline
    }
    return metrics.headline + [(name, metrics.score(name))]
  }

  /// - Parameter bytes: Of every rank.
  package func peakMemory(_ bytes: [Int]) {
    guard let most = bytes.max(), most > 0, let rank = bytes.firstIndex(of: most) else { return }
    say(String(format: "memory: at most %.0f MB resident, on rank %d", Double(most) / 1e6, rank))
  }

  /// `roc_auc` as a heading: ROC AUC.
  private func title(_ name: String) -> String {
    name.split(separator: "_").map { word in
      ["f1", "roc", "auc", "mse", "rmse", "mae"].contains(word)
        ? word.uppercased() : word.capitalized
    }.joined(separator: " ")
  }

  private func pad(_ text: String, to width: Int = 8) -> String {
    String(repeating: " ", count: max(0, max(width, 8) - text.count)) + text
  }

  private func clearBar() {
    bar?.clear()
    bar = nil
  }
}

/// h:mm:ss, or m:ss under an hour.
func clock(_ duration: Duration) -> String {
  let seconds = Int(duration.seconds.rounded())
  let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
  return hours > 0
    ? String(format: "%d:%02d:%02d", hours, minutes, seconds % 60)
    : String(format: "%d:%02d", minutes, seconds % 60)
}

extension Duration {
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
